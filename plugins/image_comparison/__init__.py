"""Distances between stacks of images, and agreement of images with labels: shared by plugins."""
