"""Ways to adapt a segmenter to a stack, compared on twins with hidden truth."""
