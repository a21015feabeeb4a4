"""Shared parts of network training: device, threads, weights, progress, checkpoints."""
