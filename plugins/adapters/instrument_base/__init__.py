"""What models of instruments share that is no physics: presets, grey levels, work on slices.

`adapter/acquisition` and `adapter/twin` differ in every effect and its form, see
`hidden_instrument`: none of that belongs here.
"""
