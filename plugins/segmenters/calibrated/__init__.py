"""A segmenter whose probabilities are calibrated on virtual stacks."""
