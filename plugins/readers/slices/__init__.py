"""The files of a stack: found by name, put in order, refused where they do not belong."""
