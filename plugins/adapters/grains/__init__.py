"""Channelling contrast: the plugin, and the grains of a stack."""
