"""Segmenters that follow grey values along z, from published descriptions: what they share."""
