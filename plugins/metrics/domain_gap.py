"""Distances between two sets of images: the gap that a network trained on one meets in the other.

The sets need not show the same structure. Each is measured in its own grey scale (minus the mean,
over the standard deviation, as in segmenters), since brightness does not affect a network; only the
plain grey-value distance uses grey values as they are. It alone proves nothing: histogram matching
makes it zero and leaves noise and blur unchanged.

Two structures have a distance even if they were imaged in the same way. Measure this lower limit
with a second step: one half of the reference against the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np

from fib_plugins.channels import are_same, counted, in_order, shown
from fib_plugins.image_comparison.grey_distribution import common_bins, scaled, shares
from fib_plugins.image_comparison.power_spectrum import Rings
from fib_plugins.image_comparison.sampling import Sampling, SamplingParameters, common_rings
from fib_plugins.image_comparison.stack_statistics import DISTANCES, StackStatistics
from fib_plugins.threads import bytes_in_threads, threads_for
from fibcore import Context, FibError, Forecast, Images, Metric, Table, VolumeSpec, keeps
from fibcore.roles import Abscissa, Curve, Key

HISTOGRAM_BINS = 100
VOXEL_SIZE_TOLERANCE = 0.05
BYTES_PER_PIXEL = 48
"""Memory of a thread for each pixel of a slice: its spectrum, or its noise."""


class DomainGap(SamplingParameters, Metric):
    """Distances between images and a reference: grey values, spectrum, noise, patches.

    Row, each the mean over channels, 0 for equal stacks:

    - ``grey_distance``: Wasserstein distance of the grey values, in standard deviations of the
      reference; ``scaled_grey_distance``: the same with each stack in its own grey scale.
    - ``spectrum_distance``: root mean square over frequencies of the log10 ratio of the radially
      averaged power spectra in the slices, each over its variance. Frequencies are in 1/nm.
    - ``patch_distance``: sliced Wasserstein distance of square patches, all channels together, in
      standard deviations.
    - ``noise_distance``: difference of ``noise`` and ``reference_noise``, each a fraction of its
      stack's standard deviation; ``noise_ratio`` is the first over the second.

    With `before`, the images before a translation: the same for them, prefixed ``before_``, and
    for each distance ``..._ratio``: after over before, what is left of it.
    ``slices_measured`` and ``reference_slices_measured`` are the numbers of slices used.

    Kept, for plots: ``histograms`` (share of the grey values in 100 bins), ``scaled_histograms``
    (the same in each stack's own grey scale), ``spectra`` (log10 of the power in nm^2), and
    ``channels`` (the distances of each channel).
    """

    name: ClassVar[str] = "domain_gap"
    headline: ClassVar[tuple[str, ...]] = (*DISTANCES, *(f"{name}_ratio" for name in DISTANCES))

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Refuse stacks that cannot be compared; warn of different pixel sizes."""
        specs = {name: spec for name, spec in inputs.items() if spec is not None}
        if "reference" not in specs or len(specs) < 2:
            return super().forecast(method, inputs)
        reference = specs["reference"]
        warnings = []
        for name, spec in specs.items():
            self._check(name, spec, reference)
            if not np.allclose(
                spec.voxel_size_nm[1:], reference.voxel_size_nm[1:], rtol=VOXEL_SIZE_TOLERANCE
            ):
                warnings.append(
                    f"pixels of the {name} are {list(spec.voxel_size_nm[1:])} nm, those of the "
                    f"reference {list(reference.voxel_size_nm[1:])} nm (y, x): spectra are "
                    f"compared over 1/nm, but patches and noise pixel by pixel"
                )
            if spec.channels != reference.channels and not are_same(
                spec.channels, reference.channels
            ):
                warnings.append(
                    f"the {name} show {shown(spec.channels)}, the reference "
                    f"{shown(reference.channels)}: channels are compared in this order"
                )
        common_rings(list(specs.values()))
        pixels = max(spec.shape[1] * spec.shape[2] for spec in specs.values())
        points = self.patches * len(reference.kv) * self.patch_pixels**2
        patches = 8 * (2 * points + len(specs) * self.projections * self.patches)
        memory = max(bytes_in_threads(BYTES_PER_PIXEL * pixels), patches)
        return Forecast(memory_bytes=memory, warnings=tuple(warnings))

    def _check(self, name: str, spec: VolumeSpec, reference: VolumeSpec) -> None:
        if len(spec.kv) != len(reference.kv):
            raise FibError(
                f"the {name} have {counted(spec.channels)}, the reference "
                f"{counted(reference.channels)}; they are compared one by one: choose the same "
                f'number of each with "kv" and "detector" in the inputs'
            )
        if min(spec.shape[1:]) < self.patch_pixels:
            raise FibError(
                f"slices of the {name} have {spec.shape[1]} x {spec.shape[2]} pixels (y, x), too "
                f"few for a patch of {self.patch_pixels}: set patch_pixels to "
                f"{min(spec.shape[1:])} at most, or take larger images"
            )

    @keeps(histograms=Table, scaled_histograms=Table, spectra=Table, channels=Table)
    def measure(
        self,
        images: Images,
        reference: Images,
        before: Images | None = None,
        context: Context | None = None,
    ) -> Table:
        """Return one row of distances; keep histograms, spectra and the distances by channel.

        Args:
            images: the images to compare, e.g. a translation.
            reference: images with the wanted look; any structure, any number of slices.
            before: the images before the translation.
            context: surroundings of the step.

        Raises:
            FibError: different channel counts, slices too small for patches or a spectrum, images
                that are constant or not finite.
        """
        context = Context.of(context)
        given = {"images": images, "reference": reference, "before": before}
        stacks = {
            name: in_order(stack, reference.channels, partial(context.empty, f"{name}-in-order"))
            for name, stack in given.items()
            if stack is not None
        }
        specs = {name: stack.spec for name, stack in stacks.items()}
        self.forecast("measure", specs)
        sampling = Sampling.of(self, list(specs.values()), context)
        pixels = max(spec.shape[1] * spec.shape[2] for spec in specs.values())
        threads = threads_for(BYTES_PER_PIXEL * pixels, context.threads)
        found = {
            name: StackStatistics.of(stack, f"images of {name!r}", sampling, threads)
            for name, stack in context.track(stacks.items(), "stacks measured", len(stacks))
        }
        wanted = found["reference"]
        gaps = {
            name: _figures(stack, wanted) for name, stack in found.items() if name != "reference"
        }
        row: dict[str, float | int | None] = dict(gaps["images"])
        row["reference_noise"] = wanted.noise
        if "before" in gaps:
            row |= {f"before_{name}": value for name, value in gaps["before"].items()}
            for name in DISTANCES:
                row[f"{name}_ratio"] = _ratio(gaps["images"][name], gaps["before"][name])
        row["slices_measured"] = found["images"].slices
        row["reference_slices_measured"] = wanted.slices
        names = reference.names
        context.keep("histograms", _histograms(found, names))
        context.keep("scaled_histograms", _histograms(found, names, in_own_scale=True))
        context.keep("spectra", _spectra(found, names, sampling.rings))
        context.keep("channels", _by_channel(found, names))
        return Table.from_rows([row])


def _figures(stack: StackStatistics, reference: StackStatistics) -> dict[str, float | None]:
    """Return the figures of a stack against the reference, in the order of the row."""
    row: dict[str, float | None] = {**stack.distances(reference), "noise": stack.noise}
    row["noise_ratio"] = _ratio(stack.noise, reference.noise)
    return row


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _by_channel(found: Mapping[str, StackStatistics], names: Sequence[str]) -> Table:
    rows: list[dict[str, Any]] = []
    for number, channel in enumerate(names):
        reference = found["reference"].channels[number]
        for name, stack in found.items():
            gap = stack.channels[number].gap(reference)
            rows.append({"channel": channel, "stack": name, **gap})
    return Table.from_rows(rows)


def _histograms(
    found: Mapping[str, StackStatistics], names: Sequence[str], in_own_scale: bool = False
) -> Table:
    what = "grey_value_in_deviations" if in_own_scale else "grey_value"
    parts = []
    for number, channel in enumerate(names):
        histograms = {name: stack.channels[number].histogram for name, stack in found.items()}
        if in_own_scale:
            histograms = {name: scaled(histogram) for name, histogram in histograms.items()}
        borders = common_bins(list(histograms.values()), HISTOGRAM_BINS)
        middles = (borders[1:] + borders[:-1]) / 2
        for name, histogram in histograms.items():
            parts.append((channel, name, {what: middles, "share": shares(histogram, borders)}))
    return _curves(parts)


def _spectra(found: Mapping[str, StackStatistics], names: Sequence[str], rings: Rings) -> Table:
    parts = []
    for number, channel in enumerate(names):
        for name, stack in found.items():
            power = np.log10(stack.channels[number].power)
            columns = {"frequency_per_nm": rings.frequency_per_nm, "log10_power": power}
            parts.append((channel, name, columns))
    return _curves(parts)


def _curves(parts: Sequence[tuple[str, str, dict[str, np.ndarray]]]) -> Table:
    """Return the rows of all curves, with columns for channel and stack."""
    lengths = [len(next(iter(columns.values()))) for _, _, columns in parts]
    table: dict[str, Any] = {
        "channel": np.repeat(np.array([part[0] for part in parts], object), lengths),
        "stack": np.repeat(np.array([part[1] for part in parts], object), lengths),
    }
    for column in parts[0][2]:
        table[column] = np.concatenate([columns[column] for _, _, columns in parts])
    x, y = parts[0][2]
    return Table(table, {"channel": Key(), "stack": Key(), x: Abscissa(), y: Curve()})
