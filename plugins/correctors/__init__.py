"""Correctors: they undo what the acquisition did to a recorded stack."""
