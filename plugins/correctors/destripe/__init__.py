"""Removal of curtains: `corrector/destripe`."""
