"""What structures are like: amount, fineness, connectivity, correlations of their phases."""
