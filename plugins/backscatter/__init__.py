"""Backscatter coefficients from tables of simulations: shared by physics and simulators."""
