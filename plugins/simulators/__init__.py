"""Built-in simulators."""
