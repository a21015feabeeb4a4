"""Runs that are killed at random and go on: nothing is lost, nothing comes out different."""
