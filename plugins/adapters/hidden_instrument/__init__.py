"""The physics of the twin's instrument, independent of the model that methods train on.

That model is `adapter/acquisition`. A method that has seen the twin's own effects in training
would score better on it than on a real stack. Therefore the two share no effect and no functional
form, only what is in `instrument_base`: presets, grey levels of ideal images, work on slices.
"""
