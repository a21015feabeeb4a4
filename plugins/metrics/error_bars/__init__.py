"""Error bars of the figures of a segmentation, from virtual stacks whose truth is known."""
