"""The milled face of a solid, found by its narrow mode in the histogram: shared, no plugin."""
