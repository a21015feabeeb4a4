"""The look of stacks with open pores."""
