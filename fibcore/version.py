"""The version of fib."""

__version__ = "0.1.0"
