"""Scattering, energy loss and transport of electrons of 50 eV to 30 keV in matter."""
