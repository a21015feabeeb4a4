"""Whether a stack could be one of the stacks of a virtual world."""
