"""What models of instruments share besides physics: presets, grey levels, work on slices.

`adapter/acquisition` and `adapter/twin` differ in every effect and its form, see
`hidden_instrument`: no effect belongs here.
"""
