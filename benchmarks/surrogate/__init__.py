"""Benchmark of the surrogate against Monte Carlo and the weighted projection."""
