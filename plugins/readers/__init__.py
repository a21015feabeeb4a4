"""Readers of file formats, and what readers of stacks share."""
