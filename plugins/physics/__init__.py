"""Built-in physics."""
