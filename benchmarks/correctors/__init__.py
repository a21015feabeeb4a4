"""Correctors of recorded stacks, measured on stacks of known truth."""
