"""Segmentation by a random forest: the plugin, its parameters, features and training."""
