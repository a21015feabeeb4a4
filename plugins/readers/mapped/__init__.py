"""Volumes whose voxels stay in the files of the user."""
