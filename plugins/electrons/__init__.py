"""How electrons of 50 eV to 30 keV scatter and slow down in matter, and how they are followed."""
