"""What every training of a network needs: device, threads, weights, progress, checkpoints."""
