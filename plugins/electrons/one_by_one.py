"""Images one electron after another: the plain form of `batch.image_pixels`, for comparison."""

from __future__ import annotations

import numpy as np

from fib_plugins.compiled import compiled

from .compiled import PLAIN, Whole
from .electron import Beam, follow, is_counted
from .lattice import Lattice
from .medium import Tables
from .random_stream import stream_of
from .secondary import Secondary
from .settle import settle
from .tally import Tally, add_to_spectra, count


@compiled(**PLAIN)
def image_one_by_one(
    key: np.uint64,
    pixels: np.ndarray,
    electrons: np.ndarray,
    per_pixel: Whole,
    lattice: Lattice,
    tables: Tables,
    beam: Beam,
    secondary: Secondary,
    tally: Tally,
) -> None:
    """Send electrons into pixels and count those that leave the face; see `batch.image_pixels`."""
    for p in range(len(pixels)):
        pixel = (pixels[p, 0], pixels[p, 1], pixels[p, 2])
        for n in range(per_pixel):
            stream = stream_of(key, np.uint64(electrons[p] + n))
            escapes, share, cosine, deepest, emitted, after = follow(
                stream, pixel, lattice, tables, beam, secondary
            )
            if escapes:
                for detector in range(tally.counts.shape[1]):
                    if is_counted(share, cosine, detector, beam):
                        count(tally, p, detector, share, deepest)
                        if detector == 0:
                            add_to_spectra(tally, share, cosine)
            settle(emitted, after, p, pixel, lattice, tables, beam, secondary, tally)
