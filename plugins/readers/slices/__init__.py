"""Finds the files of a stack by name, orders them, and rejects those that do not belong to it."""
