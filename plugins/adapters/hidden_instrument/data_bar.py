"""The data bar below an image: a frame, the settings and the number of the slice in small type."""

from __future__ import annotations

import numpy as np

from fibcore import Images

GLYPHS = {
    "0": "755557",
    "1": "262227",
    "2": "717447",
    "3": "717117",
    "4": "557111",
    "5": "747117",
    "6": "747557",
    "7": "711222",
    "8": "757557",
    "9": "757117",
    ".": "000002",
    "k": "455655",
    "V": "555552",
    "n": "006555",
    "m": "007755",
    "#": "057575",
    "x": "005225",
    " ": "000000",
}
"""Six rows of three pixels for each character: a digit holds the bits of a row."""
ADVANCE, ROWS = 4, 6
MARGIN = 2


def data_bar(images: Images, channel: int, z: int, height: int, width: int) -> np.ndarray:
    """Return the bar of a slice as levels, 0 black and 1 white, axes (y, x), float32.

    Voltage and pixel size are the same in all slices, the number of the slice differs. Characters
    that do not fit are left out.
    """
    bar = np.zeros((height, width), np.float32)
    bar[[0, -1], :] = 1.0
    bar[:, [0, -1]] = 1.0
    voltage = "" if images.kv[channel] is None else f"{images.kv[channel]:g} kV "
    text = f"#{z:05d} {voltage}{images.voxel_size_nm[2]:.2f} nm"
    size = max((height - 2 * MARGIN) // (ROWS + 1), 1)
    top, left = (height - ROWS * size) // 2, 2 * MARGIN
    if top < 1:
        return bar
    for character in text:
        rows = GLYPHS.get(character, GLYPHS[" "])
        bits = [[int(row) >> bit & 1 for bit in (2, 1, 0)] for row in rows]
        glyph = np.kron(np.array(bits, np.float32), np.ones((size, size), np.float32))
        if left + glyph.shape[1] >= width - 1:
            break
        bar[top : top + glyph.shape[0], left : left + glyph.shape[1]] = glyph
        left += ADVANCE * size
    return bar
