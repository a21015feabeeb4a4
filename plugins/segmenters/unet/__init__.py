"""Segmentation by a U-Net: the plugin, its parameters, network, training and inference."""
