"""Corrects a stack by what was found in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fib_plugins.correctors.level.findings import Findings
from fib_plugins.correctors.level.loops import rounded, without_offsets
from fib_plugins.correctors.level.outliers import repaired_from
from fib_plugins.correctors.level.streaks import Streaks
from fib_plugins.correctors.streaming import in_order
from fibcore import Context, Images
from fibcore.threads import one_blas_thread


class Correction:
    """The correction of the slices of a stack.

    Args:
        images: the stack.
        findings: what is corrected.
        streaks: of each channel; empty: streaks are not removed.
        multiplicative: kind of the shading.
        repair: what is done with bad slices.
    """

    def __init__(
        self,
        images: Images,
        findings: Findings,
        streaks: Sequence[Streaks],
        multiplicative: bool,
        repair: str,
    ) -> None:
        self.images = images
        self.findings = findings
        self.streaks = streaks
        self.multiplicative = multiplicative
        bad = findings.outliers.bad
        self.slices = np.flatnonzero(~bad) if repair == "leave_out" else np.arange(len(bad))
        own = [(z, z, 0.0) for z in range(len(bad))]
        self.sources = repaired_from(bad) if repair == "interpolate" else own
        self.streaks_rms = np.zeros((len(images.data), len(bad)))

    def _corrected(self, channel: int, z: int, wanted: bool) -> np.ndarray:
        plane = np.asarray(self.images.data[channel, z])
        level = self.findings.levels[channel]
        made = level.applied(plane, z, self.multiplicative)
        found = self.streaks[channel].of(z) if self.streaks else None
        if found is not None:
            found = np.ascontiguousarray(found / level.contrast[z])
            without_offsets(made, found)
            if wanted:
                self.streaks_rms[channel, z] = float(np.sqrt(np.mean(found**2)))
        return made

    def _slice(self, channel: int, z: int) -> np.ndarray:
        before, after, weight = self.sources[z]
        made = self._corrected(channel, before, before == z)
        if weight > 0.0:
            made += np.float32(weight) * (self._corrected(channel, after, False) - made)
        return made

    @one_blas_thread
    def run(self, context: Context) -> np.ndarray:
        """Return the corrected slices, axes (channel, z, y, x), of the type of the images."""
        data = self.images.data
        shape = (len(data), len(self.slices), *data.shape[2:])
        result = context.empty("images", shape, data.dtype)
        integers = data.dtype.kind in "ui"

        def work(place: int) -> None:
            z = int(self.slices[place])
            for channel in range(len(data)):
                made = self._slice(channel, z)
                if integers:
                    rounded(made, np.iinfo(data.dtype).max, result[channel, place])
                else:
                    result[channel, place] = made

        each = 4 * data.shape[2] * data.shape[3]
        for _ in in_order(work, range(len(self.slices)), context, "slices levelled", each):
            pass
        return result
