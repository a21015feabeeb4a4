"""A generator of structures that resemble given labels."""
