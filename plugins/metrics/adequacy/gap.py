"""The parts of the gap between a stack and virtual ones, as `metric/domain_gap` measures them."""

from __future__ import annotations

import numpy as np

from fib_plugins.image_comparison.sampling import Sampling, SamplingParameters
from fib_plugins.image_comparison.stack_statistics import DISTANCES, StackStatistics
from fib_plugins.threads import threads_for
from fibcore import Context, Images, Table, VolumeSpec

BYTES_PER_PIXEL = 48
SAMPLE = SamplingParameters(max_slices=32, patches=1024, projections=64)


class Gap:
    """Statistics of some stacks, the measured one first, and the distances between them.

    Args:
        images: the measured stack.
        virtual: spec of the virtual ones.
        context: gives the seed of the sampling and the number of threads.
    """

    def __init__(self, images: Images, virtual: VolumeSpec, context: Context) -> None:
        self._sampling = Sampling.of(SAMPLE, [images.spec, virtual], context)
        pixels = max(spec.shape[1] * spec.shape[2] for spec in (images.spec, virtual))
        self._threads = threads_for(BYTES_PER_PIXEL * pixels, context.threads)
        self._found: list[StackStatistics] = []

    def add(self, images: Images) -> None:
        """Measure a stack.

        Raises:
            FibError: images that are constant or not finite.
        """
        what = "virtual images" if self._found else "images"
        self._found.append(StackStatistics.of(images, what, self._sampling, self._threads))

    def of_stack(self) -> dict[str, float]:
        """Return each distance of the measured stack, median over the virtual ones."""
        first, *others = self._found
        return _over([first.distances(other) for other in others], 0.5)

    def table(self) -> Table:
        """Return each distance beside those of virtual stacks, each from the next one."""
        others = self._found[1:]
        pairs = zip(others, others[1:] + others[:1], strict=True)
        among = [one.distances(other) for one, other in pairs]
        stack, world, high = self.of_stack(), _over(among, 0.5), _over(among, 0.95)
        return Table.from_rows(
            {"distance": name, "stack": stack[name], "world": world[name], "world_high": high[name]}
            for name in DISTANCES
        )


def _over(found: list[dict[str, float]], share: float) -> dict[str, float]:
    return {name: float(np.quantile([each[name] for each in found], share)) for name in DISTANCES}
