"""The parts of the instrument model: its effects, and how they are estimated from a stack."""
