"""The parts of the instrument model: its effects, and their estimation from a stack."""
