"""Images with the look of a stack, from labels and ideal images.

The face of the solid gets its narrow mode. What lies in pores gets the stack's own distribution of
levels: each pixel has a rank, and the level is the quantile of this rank (a Gaussian copula: R. B.
Nelsen, An Introduction to Copulas, Springer 2006, section 2.3). The rank comes from the ideal image
there, as far as the levels of the stack change slowly, so that solid deep below the face is darker
than solid just below; and from a random field with the texture of the stack. Where ideal images
have one level for many pixels, a random field with the coarse part of the texture orders them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fib_plugins.adapters.instrument.effects import FWHM_PER_SIGMA
from fib_plugins.adapters.instrument.look import ChannelLook
from fib_plugins.adapters.instrument.parameters import AcquisitionParameters
from fib_plugins.adapters.instrument.pore_texture import SIZES
from fib_plugins.adapters.instrument.rims import Distances
from fib_plugins.adapters.instrument_base.signal_scale import SignalScale
from fibcore import Context, Images, Labels

MOST_SLICES = 24
"""Slices, evenly spaced, whose pores give the distribution of ideal levels."""
BINS = 2048
DEPTH_NM, MOST_DEPTH = 1500.0, 64
"""Solid is searched so far below the face, and for at most so many slices."""
DEPTH_SHARE = 0.7
"""Part of the variance among pixels of one ideal level that depth decides."""
DEEPEST = 3
"""Random fields are correlated over at most so many slices above and below."""
LONGEST_PX = 24.0
"""Random fields are smoothed over at most so many pixels (standard deviation)."""


@dataclass(frozen=True)
class Ranks:
    """Distribution of the ideal signal in pores.

    Attributes:
        edges: of the bins, ascending.
        shares: of the pixels below each edge, 0 to 1.
    """

    edges: np.ndarray
    shares: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> Ranks:
        """Return that of some values."""
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
        edges = np.linspace(low, high if high > low else low + 1.0, BINS + 1)
        counts = np.histogram(values, edges)[0]
        shares = np.concatenate([[0.0], np.cumsum(counts) / max(counts.sum(), 1)])
        return cls(edges, shares)

    def normal_scores(self, values: np.ndarray, ties: np.ndarray) -> np.ndarray:
        """Return the normal numbers that have the ranks of values.

        Args:
            values: ideal signal.
            ties: normal numbers, which order values of one bin.
        """
        from scipy.special import ndtr, ndtri

        place = np.clip(np.searchsorted(self.edges, values, "right") - 1, 0, BINS - 1)
        below, above = self.shares[place], self.shares[place + 1]
        return np.asarray(ndtri(np.clip(below + (above - below) * ndtr(ties), 1e-4, 1 - 1e-4)))


@dataclass(frozen=True)
class LookRenderer:
    """Draws slices with a look.

    Attributes:
        settings: the instrument.
        labels: the structure.
        ranks: of the ideal signal in pores, for each channel.
        pixel_nm: mean size of pixels in a slice.
        slice_nm: distance of slices.
        drawn: the source of the random numbers of each slice.
    """

    settings: AcquisitionParameters
    labels: Labels
    ranks: Sequence[Ranks]
    pixel_nm: float
    slice_nm: float
    drawn: Sequence[Context]

    @classmethod
    def of(
        cls,
        settings: AcquisitionParameters,
        images: Images,
        labels: Labels,
        scales: Sequence[SignalScale],
        drawn: Sequence[Context],
    ) -> LookRenderer:
        """Prepare it: measure the ideal signal in pores."""
        depth = images.shape[0]
        chosen = np.unique(np.linspace(0, depth - 1, min(depth, MOST_SLICES)).round().astype(int))
        is_face = _face_phases(settings, labels)
        ranks = []
        for channel, scale in enumerate(scales):
            values = [
                scale.slice_of(images, channel, int(z))[~is_face[np.asarray(labels.data[z])]]
                for z in chosen
            ]
            ranks.append(Ranks.of(np.concatenate(values)))
        pixel_nm = float(np.sqrt(np.prod(images.voxel_size_nm[1:])))
        return cls(settings, labels, ranks, pixel_nm, images.voxel_size_nm[0], drawn)

    def faces(self, plane: np.ndarray) -> np.ndarray:
        """Return which pixels of a slice of the labels are the milled face."""
        return _face_phases(self.settings, self.labels)[plane]

    def levels(
        self, z: int, channel: int, ideal: np.ndarray, face: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the levels of a slice without noise, and how much of each pixel is the face.

        Args:
            z: the slice.
            channel: which channel.
            ideal: signal of the ideal images after the blur of the beam.
            face: which pixels are the face.

        Returns:
            levels as fractions of the full scale, and shares of the face, both float32 (y, x).
        """
        from scipy.ndimage import gaussian_filter
        from scipy.special import ndtr

        assert self.settings.look is not None
        look = self.settings.look.channels[channel]
        beam = self.settings.of_channel("blur_fwhm_nm", channel) / FWHM_PER_SIGMA / self.pixel_nm
        fine = self._texture(z, channel, look, face.shape)
        coarse = self._field("shading", z, channel, look.shading_nm, face.shape)
        deep = np.sqrt(DEPTH_SHARE) * self._depth_scores(z, face)
        ties = np.sqrt(1.0 - DEPTH_SHARE) * coarse - deep
        slow = self.ranks[channel].normal_scores(ideal, ties)
        share = look.shading_share
        score = np.sqrt(share) * slow + np.sqrt(1.0 - share) * fine
        shares = np.linspace(0.0, 1.0, len(look.rest))
        rest = np.interp(ndtr(score), shares, look.rest)
        solid = np.full(face.shape, look.face, np.float32)
        if look.grain:
            solid += look.grain * self._field("grain", z, channel, look.grain_nm, face.shape)
        amount = face.astype(np.float32)
        amount = gaussian_filter(amount, beam) if beam else amount
        level = amount * solid + (1.0 - amount) * rest
        if look.rim_upper or look.rim_lower:
            upper, lower = Distances.of(face).profiles(look.rim_nm / self.pixel_nm)
            rim = look.rim_upper * upper + look.rim_lower * lower
            level += gaussian_filter(rim, beam) if beam else rim
        return level.astype(np.float32), amount

    def _depth_scores(self, z: int, face: np.ndarray) -> np.ndarray:
        """Return normal numbers by rank of the depth of the first solid below, high where deep."""
        from scipy.special import ndtri

        limit = min(max(int(DEPTH_NM / self.slice_nm), 1), MOST_DEPTH)
        depth = np.full(face.shape, limit, np.int64)
        for below in range(limit - 1, 0, -1):
            if z + below < len(self.labels.data):
                depth[self.faces(np.asarray(self.labels.data[z + below]))] = below
        counts = np.bincount(depth[~face], minlength=limit + 1)
        shares = (np.cumsum(counts) - 0.5 * counts) / max(counts.sum(), 1)
        return np.asarray(ndtri(np.clip(shares, 0.01, 0.99)))[depth]

    def stripes(self, channel: int, amount: np.ndarray, factor: np.ndarray) -> np.ndarray:
        """Return the factor of stripes on the signal, as strong as they are on face and rest.

        Args:
            channel: which channel.
            amount: how much of each pixel is the face.
            factor: of stripes of the usual strength; a row, a column or a slice.
        """
        assert self.settings.look is not None
        look = self.settings.look.channels[channel]
        strength = amount * look.face_curtains + (1.0 - amount) * look.rest_curtains
        return np.maximum(1.0 + (factor - 1.0) * strength, 0.0).astype(np.float32)

    def _texture(
        self, z: int, channel: int, look: ChannelLook, shape: tuple[int, ...]
    ) -> np.ndarray:
        """Return the fine texture: in part the same in all channels."""
        assert self.settings.look is not None
        own = self._field("texture", z, channel, look.texture_nm, shape)
        if not self.settings.look.correlation:
            return own
        shared = self._field("texture", z, -1, look.texture_nm, shape)
        part = self.settings.look.correlation
        return np.sqrt(part) * shared + np.sqrt(1.0 - part) * own

    def _field(
        self, name: str, z: int, channel: int, length_nm: float, shape: tuple[int, ...]
    ) -> np.ndarray:
        """Return normal numbers that are correlated over a length, within and across slices."""
        total = np.zeros(shape, np.float32)
        for number, (size, part) in enumerate(SIZES):
            sigma_nm = 0.5 * size * length_nm
            reach = 0 if name == "grain" else DEEPEST  # every face is a new one
            white = self._white(f"look {name} {number}", z, channel, sigma_nm, shape, reach)
            total += np.float32(np.sqrt(part)) * smoothed(white, sigma_nm / self.pixel_nm)
        return total

    def _white(
        self,
        name: str,
        z: int,
        channel: int,
        sigma_nm: float,
        shape: tuple[int, ...],
        deepest: int,
    ) -> np.ndarray:
        """Return white normal numbers that change from slice to slice as slowly as within a slice.

        Slices beyond the stack have numbers of their own.
        """
        reach = min(int(np.ceil(2.0 * sigma_nm / self.slice_nm)), deepest)
        width = max(min(sigma_nm / self.slice_nm, 0.5 * deepest), 1e-3)
        weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
        weights /= np.sqrt(np.sum(weights**2))
        total = np.zeros(shape, np.float32)
        for step, weight in zip(range(-reach, reach + 1), weights, strict=True):
            source = self.drawn[min(max(z + step, 0), len(self.drawn) - 1)]
            rng = source.rng_for(name, z + step + DEEPEST, channel + 1)
            total += np.float32(weight) * rng.standard_normal(shape, np.float32)
        return total


def smoothed(white: np.ndarray, sigma_px: float) -> np.ndarray:
    """Return white noise after a Gaussian, again with variance 1."""
    from scipy.ndimage import gaussian_filter

    sigma = min(sigma_px, LONGEST_PX)
    if sigma < 0.2:
        return white
    # The sum of squared weights of the kernel as it is sampled, along one axis.
    reach = int(4.0 * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    filtered = gaussian_filter(white, sigma, mode="wrap")
    return np.asarray(filtered / np.float32(np.sum(kernel**2)))


def _face_phases(settings: AcquisitionParameters, labels: Labels) -> np.ndarray:
    """Return for each phase number whether its face has the look of the face, bool (256)."""
    chosen = np.ones(256, bool)
    chosen[0] = False
    if settings.face_phases is not None:
        chosen[:] = False
        chosen[list(settings.face_phases)] = True
    return chosen
