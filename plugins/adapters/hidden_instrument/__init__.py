"""The physics of the twin's instrument, independent of the model that methods train on.

That model is `adapter/acquisition`. A method trained on the twin's own effects would score better
on the twin than on a real stack. Therefore the two share no effect and no functional form, only
the contents of `instrument_base`: presets, grey levels of ideal images, work on slices.
"""
