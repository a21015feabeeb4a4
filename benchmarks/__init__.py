"""Measurements of speed, memory and quality, and the pages of the documentation they write."""
