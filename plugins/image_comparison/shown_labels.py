"""Agreement of images with their labels by slice: contrast of phases, edges, information."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fib_plugins.image_comparison.contrast import PhaseSums, expected_order
from fib_plugins.image_comparison.edge_shift import EdgeShift, edge_shift, gradient
from fib_plugins.image_comparison.label_keeping import BYTES_PER_PIXEL, LabelKeepingParameters
from fib_plugins.image_comparison.mutual_information import information_bits, joint_counts
from fib_plugins.threads import in_threads, threads_for
from fibcore import Context, Images, Labels, Table
from fibcore.roles import Abscissa, Curve, Key, Role

UNKNOWN = float("nan")
CLEAR = 0.05
"""Smallest contrast whose sign is significant; below it depends on noise."""


@dataclass(frozen=True)
class ShownSlice:
    """Agreement of one slice of one channel with its labels.

    Attributes:
        z: number of the slice.
        information_bits: mutual information of grey values and labels, per pixel.
        labels_bits: entropy of the labels.
        edges: displacement of edges; None where there are none.
    """

    z: int
    information_bits: float
    labels_bits: float
    edges: EdgeShift | None


@dataclass(frozen=True)
class ShownLabels:
    """Agreement of one channel of a stack with its labels.

    Attributes:
        contrast: of every slice.
        slices: those that were measured.
    """

    contrast: np.ndarray
    slices: list[ShownSlice]

    @property
    def inverted(self) -> np.ndarray:
        """Slices in which bright and dark are swapped."""
        return self.contrast < -CLEAR


def look_at(
    stacks: Mapping[str, Images],
    labels: Labels,
    params: LabelKeepingParameters,
    context: Context,
) -> dict[str, list[ShownLabels]]:
    """Return the agreement of each channel of each stack with the labels.

    Args:
        stacks: ``images`` and, if given, those ``before`` a translation; all with the shape of the
            labels and the same number of channels.
        labels: the labels that they should show.
        params: which slices, search radius of edges, which phases should be bright.
        context: surroundings of the step.

    Raises:
        FibError: labels of one phase, phases whose brightness is not known, values that are not
            finite.
    """
    pixels = labels.shape[1] * labels.shape[2]
    threads = threads_for(BYTES_PER_PIXEL * pixels, context.threads)
    sums = {
        name: [
            PhaseSums.of(channel, labels.data, f"the {kv} images of {name!r}", threads)
            for channel, kv in zip(stack.data, stack.names, strict=True)
        ]
        for name, stack in stacks.items()
    }
    orders = [
        expected_order(
            labels.phases,
            images,
            sums["before"][number] if "before" in sums else None,
            params.dark_to_bright,
        )
        for number, images in enumerate(sums["images"])
    ]
    pictures = [_brightness(order) for order in orders]

    def of_slice(z: int) -> list[list[ShownSlice]]:
        plane = np.ascontiguousarray(labels.data[z])
        expected = [gradient(picture[plane]) for picture in pictures]
        return [
            [
                _slice(z, channel[z], plane, edges, params)
                for channel, edges in zip(stack.data, expected, strict=True)
            ]
            for stack in stacks.values()
        ]

    measured = range(0, len(labels.data), -(-len(labels.data) // params.max_slices))
    groups = [measured[i : i + threads] for i in range(0, len(measured), threads)]
    found = []
    for group in context.track(groups, "groups of slices measured"):
        found += in_threads(of_slice, group, threads)
    return {
        name: [
            ShownLabels(sums[name][number].contrast(order), [planes[i][number] for planes in found])
            for number, order in enumerate(orders)
        ]
        for i, name in enumerate(stacks)
    }


def figures(channels: Sequence[ShownLabels]) -> dict[str, Any]:
    """Return the figures of all channels together; nan where nothing could be measured."""
    contrast = np.concatenate([channel.contrast for channel in channels])
    contrast = contrast[~np.isnan(contrast)]
    inverted = np.any([channel.inverted for channel in channels], axis=0)
    slices = [each for channel in channels for each in channel.slices]
    information = sum(each.information_bits for each in slices)
    of_labels = sum(each.labels_bits for each in slices)
    return {
        "inverted_slices": int(np.count_nonzero(inverted)),
        "contrast": float(np.median(contrast)) if contrast.size else UNKNOWN,
        **_edge_figures([each.edges for each in slices if each.edges is not None]),
        "mutual_information_bits": information / len(slices),
        "mutual_information_share": information / of_labels if of_labels else UNKNOWN,
    }


def summary(
    found: Mapping[str, Sequence[ShownLabels]], scores: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """Return the figures of all stacks as one row; see `LabelConsistency`.

    Args:
        found: from `look_at`.
        scores: mean Dice score of a segmentation of each stack.
    """
    rows = {name: figures(channels) for name, channels in found.items()}
    for name, score in (scores or {}).items():
        rows[name]["mds"] = score
    row: dict[str, Any] = dict(rows["images"])
    if "before" in rows:
        row |= {f"before_{name}": value for name, value in rows["before"].items()}
        whole = row["before_mutual_information_bits"]
        row["information_ratio"] = row["mutual_information_bits"] / whole if whole else None
    row["slices"] = len(found["images"][0].contrast)
    row["slices_measured"] = len(found["images"][0].slices)
    return row


BY_SLICE: dict[str, Role] = {"channel": Key(), "stack": Key(), "z": Abscissa()}
"""Roles of the columns that name a row, of tables by slice."""


def contrast_table(found: Mapping[str, Sequence[ShownLabels]], names: Sequence[str]) -> Table:
    """Return the contrast of every slice: channel, stack, z, contrast, inverted."""
    rows: Iterator[dict[str, Any]] = (
        {
            "channel": name,
            "stack": stack,
            "z": z,
            "contrast": float(value),
            "inverted": bool(inverted),
        }
        for number, name in enumerate(names)
        for stack, channels in found.items()
        for z, (value, inverted) in enumerate(
            zip(channels[number].contrast, channels[number].inverted, strict=True)
        )
    )
    return Table.from_rows(rows, BY_SLICE | {"contrast": Curve()})


def slice_table(found: Mapping[str, Sequence[ShownLabels]], names: Sequence[str]) -> Table:
    """Return edges and information of the measured slices: channel, stack, z, figures."""
    rows: list[dict[str, Any]] = []
    for number, name in enumerate(names):
        for stack, channels in found.items():
            for each in channels[number].slices:
                edges = _edge_figures([] if each.edges is None else [each.edges])
                rows.append(
                    {
                        "channel": name,
                        "stack": stack,
                        "z": each.z,
                        "edge_shift_pixels": edges["edge_shift_pixels"],
                        "edge_growth_pixels": edges["edge_growth_pixels"],
                        "mutual_information_bits": each.information_bits,
                    }
                )
    drawn = ("edge_shift_pixels", "edge_growth_pixels", "mutual_information_bits")
    return Table.from_rows(rows, BY_SLICE | {name: Curve() for name in drawn})


def _slice(
    z: int,
    grey: np.ndarray,
    labels: np.ndarray,
    expected: np.ndarray,
    params: LabelKeepingParameters,
) -> ShownSlice:
    edges = edge_shift(expected, gradient(grey), params.search_pixels, params.block_pixels)
    found, of_labels = information_bits(joint_counts(grey, labels))
    return ShownSlice(z, found, of_labels, edges)


def _brightness(dark_to_bright: Sequence[int]) -> np.ndarray:
    """Return the expected brightness of each phase number, 0 to 1 in even steps: float32."""
    brightness = np.zeros(256, np.float32)
    brightness[list(dark_to_bright)] = np.linspace(0.0, 1.0, len(dark_to_bright))
    return brightness


def _edge_figures(edges: Sequence[EdgeShift]) -> dict[str, float]:
    shifts, inverted, growth = np.array([UNKNOWN]), np.array([UNKNOWN]), np.array([UNKNOWN])
    mean = np.array([UNKNOWN, UNKNOWN])
    if edges:
        shifts = np.linalg.norm(np.concatenate([each.shifts_pixels for each in edges]), axis=1)
        inverted = np.concatenate([each.inverted for each in edges])
        growth = np.array([each.growth_pixels for each in edges])
        mean = np.mean([each.mean_pixels for each in edges], axis=0)
    return {
        "edge_shift_pixels": float(np.median(shifts)),
        "edge_shift_p95_pixels": float(np.quantile(shifts, 0.95)),
        "mean_shift_y_pixels": float(mean[0]),
        "mean_shift_x_pixels": float(mean[1]),
        "edge_growth_pixels": float(np.median(growth)),
        "inverted_edges_percent": float(100 * np.mean(inverted)),
    }
