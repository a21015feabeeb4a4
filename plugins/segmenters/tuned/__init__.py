"""A trained U-Net tuned on a few labels: the plugin, its candidates, folds and training."""
