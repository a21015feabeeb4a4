"""A battery electrode: particles, binder and pores."""
