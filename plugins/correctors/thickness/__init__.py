"""Thickness of slices, from how neighbouring slices resemble each other."""
