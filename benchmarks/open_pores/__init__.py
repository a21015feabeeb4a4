"""Open pores: the projection against Monte Carlo, and labels of twins with open pores and binder.

``python -m benchmarks.open_pores``. The first table has errors of yields. The second one compares
ways to segment a twin whose truth no step has seen: ellipsoids with binder strands between them,
imaged by Monte Carlo and recorded by `adapter/twin`. Misplaced pixels (MP) count active material
against all else, in the slices that the random forest has no labels of. All networks have the same
budget, and an instrument that is estimated from the twin's images. Other segmenters have their
defaults; published methods against shine-through take one detector.

Ways with backscattered electrons of two-phase structures are what fib could do before it knew
secondary electrons, binder and shaded pores; "first solid" is its projection of that time, which
took the ground of open pores to be as bright as the face. What is made is kept in ``--out``.
"""
