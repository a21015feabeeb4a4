"""Decodes planes of a TIFF that cannot be memory-mapped, with tifffile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from fib_plugins.readers.stacks.planes import Plane
from fib_plugins.readers.tiff.container import open_tiff
from fib_plugins.readers.tiff.expansion import check_expansion
from fib_plugins.readers.tiff.headers import TiffHeader


@contextmanager
def decoded(header: TiffHeader) -> Iterator[Plane]:
    """Yield a function (channel, z) -> plane, as stored.

    Raises:
        FibError: a page cannot be decoded; also raised within the context.
    """
    channels, slices = header.shape[:2]
    with open_tiff(header.path) as tif:
        if channels * slices == 1:
            page: Any = tif.pages[header.page]
            yield lambda channel, z: _pixels(header, page)
            return
        series = [s for s in tif.series if not s.keyframe.is_reduced]
        one = len(series[0].pages) > 1
        pages: Any = series[0].pages if one else [s.keyframe for s in series]
        whole = _pixels(header, pages[0]) if len(pages) == 1 else None  # all slices on one page

        def from_page(channel: int, z: int) -> np.ndarray:
            if whole is not None:
                return whole[z]
            index = z * channels + channel if header.planes == "ZC" else channel * slices + z
            return _pixels(header, pages[index])

        yield from_page


def _pixels(header: TiffHeader, page: Any) -> np.ndarray:
    check_expansion(header.path, page)
    return page.asarray()
