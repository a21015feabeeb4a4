"""Which pixels of a slice are the milled face of the solid, without any labels.

The face is what lies in the narrow mode of the histogram (`mode`), after curtains are divided out
(`flattening`). Its outline is where the grey value is half way between the face and what lies
beside it, bright or dark: for an edge of height c that a Gaussian of deviation s blurs, the
gradient times s is 0.8 times the distance from the level of the face just there, less outside of it
and more inside.

Pixels between are given to face or pores by a watershed on the gradient (F. Meyer, Signal
Processing 38 (1994) 113-125). Bright rims of the face therefore belong to it, and bright filaments
in pores do not.

With several detectors, a pixel is the face if it is in the narrow mode of one, and in none of them
farther from it than a rim is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fib_plugins.image_statistics.histogram import Histogram
from fib_plugins.milled_face.flattening import flattened
from fib_plugins.milled_face.mode import Mode, blurred, blurred_histogram

WITHIN = 2.5
"""Pixels within so many standard deviations of the mode are the face."""
OUTSIDE = 1.5
"""Pixels beyond `WITHIN` times so much are not."""
HALF_WAY = float(np.sqrt(2.0 / np.pi))
"""Gradient times blur over the distance from the level of the face, at the half height of an
edge."""
RIM_PX = 4
"""Bright pixels this close to the face may be its rim."""
FAR_PX = 6
"""Pixels this far from the face are no part of it."""
STAGES = 2
"""Flattening in stages: the first one, in a mode that curtains widen, takes some pores for face."""
OPENING_PX = 2
"""Of a single channel, parts of the face thinner than about twice this may be something in a pore
that has its grey value by chance."""
BLURS_PX = (0.7, 1.0, 1.4, 2.0, 2.8)
"""Blurs that are tried, from the first on, until the mode is narrow."""
NARROW = 0.3
"""Deviation of a mode that is narrow enough, over the spread of all grey values."""
BEAM_PX = 0.7
"""Blur of edges in images where it is not known."""


@dataclass(frozen=True)
class Face:
    """How a channel of a stack shows the milled face.

    Attributes:
        mode: of the images after flattening and blur.
        stages: the mode before each of the stages of flattening.
        blur_px: blur of slices after which the face stands out.
    """

    mode: Mode
    stages: tuple[Mode, ...]
    blur_px: float

    @classmethod
    def of(cls, slices: Sequence[np.ndarray], what: str, blur_px: float | None = None) -> Face:
        """Find it in slices, axes (along curtains, across them).

        Args:
            slices: grey values; may be memory-mapped.
            what: their name in messages.
            blur_px: by default, the least blur after which the mode is narrow.

        Raises:
            FibError: there is no narrow mode; see `Mode.of`.
        """
        for blur in BLURS_PX if blur_px is None else (blur_px,):
            face = cls._after(slices, what, blur)
            if face.mode.deviation <= NARROW * face.mode.spread:
                break
        return face

    @classmethod
    def _after(cls, slices: Sequence[np.ndarray], what: str, blur_px: float) -> Face:
        """Find it after a blur."""
        raw = blurred_histogram(slices, blur_px, what)
        step = float(raw.values[1] - raw.values[0])
        edges = np.append(raw.values - 0.5 * step, raw.values[-1] + 0.5 * step)
        face = cls(Mode.of(raw, "bright", what), (), blur_px)
        for _ in range(STAGES):
            face = replace(face, stages=(*face.stages, face.mode))
            counts = np.zeros(len(raw.counts), np.int64)
            for plane in slices:
                smooth = blurred(face.flattened(plane)[0], blur_px)
                counts += np.histogram(np.clip(smooth, edges[0], edges[-1]), edges)[0]
            face = replace(face, mode=Mode.of(Histogram(counts, raw.values), "bright", what))
        return face

    def flattened(self, plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return a slice with an even face, and the factor that was divided out."""
        factor = np.ones(plane.shape, np.float32)
        for mode in self.stages:
            plane, found = flattened(plane, mode, self.blur_px)
            factor = factor * found
        return plane, factor


def face_mask(
    faces: Sequence[Face], planes: Sequence[np.ndarray], beam_px: float = BEAM_PX
) -> np.ndarray:
    """Return which pixels of a slice are the milled face, bool, axes (y, x).

    Args:
        faces: of the channels.
        planes: the slice in each channel, flattened.
        beam_px: blur of edges in the images, standard deviation in pixels.
    """
    from scipy.ndimage import binary_opening, distance_transform_edt
    from skimage.segmentation import watershed

    shape = planes[0].shape
    steepness = np.zeros(shape, np.float32)
    pores, surely = np.zeros(shape, bool), np.zeros(shape, bool)
    perhaps = np.ones(shape, bool)
    opening = max(OPENING_PX if len(faces) == 1 else 1, round(min(face.blur_px for face in faces)))
    for face, plane in zip(faces, planes, strict=True):
        smooth = blurred(plane, face.blur_px)
        below = face.mode.level - smooth
        reach = WITHIN * face.mode.deviation
        steep = np.hypot(*np.gradient(smooth))
        steepness += steep / face.mode.deviation
        within = binary_opening(np.abs(below) < reach, iterations=opening)
        away = distance_transform_edt(~within)
        edge = np.hypot(face.blur_px, beam_px)
        dark = (below > OUTSIDE * reach) & (steep * edge < HALF_WAY * below)
        bright = (below < -OUTSIDE * reach) & (away > RIM_PX)
        pores |= (dark | bright) & ~within
        surely |= within
        perhaps &= within | (~dark & (away <= RIM_PX))
    core = surely & perhaps
    if len(faces) > 1:
        core = binary_opening(core, iterations=opening)
    pores = (pores | (distance_transform_edt(~core) > FAR_PX)) & ~core
    if not core.any():
        return core
    marks = core + 2 * pores.astype(np.int32)
    return np.asarray(watershed(steepness, marks) == 1)
