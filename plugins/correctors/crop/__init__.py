"""Cutting the field: data bars, filled edges, regions that show nothing."""
