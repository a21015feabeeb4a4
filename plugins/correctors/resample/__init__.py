"""Resampling of a stack to even or wanted voxels."""
