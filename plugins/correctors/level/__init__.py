"""Brightness and contrast of slices, shading, streaks, slices that do not fit in."""
