"""Aligns slices: displacements by correlation, what of them is removed, the move."""
