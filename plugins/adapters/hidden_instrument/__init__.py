"""The parts of the twin's instrument. Nothing here is shared with the model that methods train on.

That model is `adapter/acquisition`. A method that has seen the twin's own effects in training
would be flattered by it, so the two must not borrow code, effects or functional forms.
"""
