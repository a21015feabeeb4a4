"""The built-in plugins of fib, registered through the same entry-point group as any other."""
