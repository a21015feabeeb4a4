"""Measurements of generated structures and of effective materials."""
