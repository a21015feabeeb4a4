"""Hostile input, made from a seed: nothing that is read may crash, hang or eat the memory."""
