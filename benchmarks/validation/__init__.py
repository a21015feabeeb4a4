"""The validation page of the Monte Carlo: `make validation` computes and writes it.

One module per section; `simulations` puts engine and oracle behind the same functions, `measured`
has the measurements, `page` and `style` the form.
"""
