"""Slices as PNG or JPEG."""
