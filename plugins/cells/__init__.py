"""Cells that fill space: power diagrams, cells of prescribed volumes, the nearest of many seeds.

Shared by generators of foams and by grains; registers nothing.
"""
