"""Structures of cells that fill space: the plugin, and the cells."""
