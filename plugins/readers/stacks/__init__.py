"""Stacks of slices in any file format: calibration, labels, checks of what was read."""
