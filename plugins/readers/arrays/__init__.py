"""Volumes as NumPy arrays."""
