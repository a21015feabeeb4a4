"""Validation without a truth: the segmentation is imaged again and compared with its stack.

Isotropy is weak evidence: a wrong structure can be isotropic, and a right one in a small volume is
not. Imaging is stronger evidence. The segmented structure is imaged with the physics of a sample
(`simulator/surrogate`, which adds no noise, or `simulator/monte_carlo`), and the instrument between
the two is estimated from the pair. The residual is noise, or a place where the segmentation is
wrong: missed solid is too dark, solid that is really deeper is too bright.

The metric is only as good as its physics: a wrong simulator leaves a residual for any segmentation.
Compare segmentations of one stack with each other, imaged again by the same simulator with the same
settings; the value of a single one means little. A wrong structure can also explain a stack: see
the warning of the class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from fib_plugins.channels import counted, selection, shown
from fib_plugins.threads import bytes_in_threads, in_threads, threads_for
from fibcore import Context, FibError, Forecast, Images, Metric, Table, keeps
from fibcore.channels import Channel
from fibcore.context import held_bytes
from fibcore.roles import Abscissa, Curve, Key
from fibcore.threads import one_blas_thread

if TYPE_CHECKING:
    from fib_plugins.metrics.recording_link import LinkedSlice

SMALLEST_SLICE = 16

BYTES_PER_PIXEL = 30
"""Memory of a thread for each pixel of a slice: record, ideal image, residual."""
BLOCK_BYTES = 15 * 2**20
"""Memory of a thread for the terms of the fit in some rows."""


def check_signals(images: tuple[Channel, ...], reimaged: tuple[Channel, ...]) -> None:
    """Refuse a stack with channels of which the segmentation was not imaged again.

    Raises:
        FibError: with the channels to choose.
    """
    detectors = [channel.detector for channel in images]
    again = [channel.detector for channel in reimaged]
    if set(images) <= set(reimaged) or (len(images) == len(reimaged) and detectors == again):
        return
    common = [channel for channel in images if channel in reimaged]
    names = ", ".join(f'"{name}"' for name in dict.fromkeys(detectors))
    raise FibError(
        f"the images have {counted(images)}, reimaged {counted(reimaged)}: a channel is compared "
        f"with that of the same voltage and detector. "
        + (f"Choose the images' channels with {selection(common)}, or give" if common else "Give")
        + f" the simulator the voltages of the stack and, if it has this parameter, its detectors "
        f"[{names}]"
    )


class Reprojection(Metric):
    """The share of a stack that its segmentation, imaged again, does not explain.

    The two stacks are fitted slice by slice, with a blur, variations of brightness and contrast, a
    curved response, small shifts and stripes. Row, means over channels:

    - ``unexplained_percent``: variance of the residual, minus that of the noise, as a share of the
      variance of the stack, minus that of the noise. 0: all visible structure is explained; 100:
      none.
    - ``left_percent``: the whole residual, including noise; ``noise_percent``: the noise.
    - ``blur_fwhm_nm``: the estimated blur between the two.
    - ``inverted_slices``, of ``slices``: where bright and dark are swapped, which never happens
      with a right segmentation.

    **It measures how well the images are explained, not how correct the segmentation is, and must
    not be the only reason to choose a method.** Where pores are open, or the physics is not that of
    the microscope, a segmentation that includes solid visible below the face can explain the
    brightness better than the truth: on a measured stack with open pores and masks drawn by hand it
    ranked ten segmentations in reverse order (rank correlation of ``unexplained_percent`` with the
    error -0.88). On simulated stacks of filled pores, imaged again by the same physics, the ranking
    was mostly right (0.74 +- 0.20). Use ``map`` to find places to inspect.

    Each channel is compared with that of the same voltage and detector.

    Kept: ``map``, the residual around each voxel (mean square in a window) over the variance of the
    noise: 1 where there is noise only, large where segmentation and images disagree; and
    ``per_slice``.
    """

    name: ClassVar[str] = "reprojection"
    result_version: ClassVar[int] = 2
    headline: ClassVar[tuple[str, ...]] = ("unexplained_percent", "inverted_slices")

    window_pixels: int = Field(
        default=7, ge=1, le=101, description="edge of the window that the map averages over, pixels"
    )

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Refuse stacks of different shapes; return the spec of the map."""
        images, reimaged = inputs.get("images"), inputs.get("reimaged")
        if images is None or reimaged is None:
            return Forecast()
        if images.shape != reimaged.shape:
            raise FibError(
                f"images have shape {images.shape}, reimaged {reimaged.shape} (z, y, x): image the "
                f"labels of this stack again, cut in the same way"
            )
        check_signals(images.channels, reimaged.channels)
        if min(images.shape[1:]) < SMALLEST_SLICE:
            raise FibError(
                f"slices have {images.shape[1]} x {images.shape[2]} pixels (y, x); at least "
                f"{SMALLEST_SLICE} x {SMALLEST_SLICE} are needed to separate structure from "
                f"brightness"
            )
        warnings = []
        if not set(images.channels) <= set(reimaged.channels):
            warnings.append(
                f"the images are {shown(images.channels)}, reimaged {shown(reimaged.channels)}"
            )
        kept = replace(images, dtype="float32")
        memory = held_bytes(kept.nbytes) + bytes_in_threads(_thread_bytes(images.shape))
        return Forecast(kept={"map": kept}, memory_bytes=memory, warnings=tuple(warnings))

    @keeps(map=Images, per_slice=Table)
    def measure(self, images: Images, reimaged: Images, context: Context | None = None) -> Table:
        """Return one row; keep a map of the residual, and the figures of each slice.

        Args:
            images: the stack that was segmented, as recorded.
            reimaged: simulated images of its segmentation, without an instrument; best without
                noise, as the expected yields of `simulator/surrogate` are.
            context: surroundings of the step.

        Raises:
            FibError: shapes differ; `reimaged` lacks a detector of the images; images that are
                constant.
        """
        context = Context.of(context)
        self.forecast("measure", {"images": images.spec, "reimaged": reimaged.spec})
        if set(images.channels) <= set(reimaged.channels):
            order = [reimaged.channels.index(channel) for channel in images.channels]
            reimaged = reimaged.take(order, partial(context.empty, "reimaged-in-order"))
        ratio = context.empty("map", images.data.shape, np.float32)
        rows: list[dict[str, Any]] = []
        figures: list[dict[str, float]] = []
        for number, name in enumerate(context.track(images.names, "channels linked")):
            with one_blas_thread:
                found, linked = self._linked(images, reimaged, number, ratio[number], context)
            figures.append(found)
            rows += [{"channel": name, "slice": z, **_figures(s)} for z, s in enumerate(linked)]
        per_slice = Table.from_rows(rows, PER_SLICE)
        context.keep("per_slice", per_slice)
        context.keep(
            "map",
            images.with_data(ratio, quantity="left over, of the noise"),
        )
        row: dict[str, Any] = {
            name: float(np.mean([one[name] for one in figures])) for name in figures[0]
        }
        swapped = per_slice["contrast"].reshape(len(figures), -1).min(axis=0) < 0
        row["inverted_slices"], row["slices"] = int(swapped.sum()), images.shape[0]
        if row["inverted_slices"]:
            context.log.warning(
                "in %d of %d slices the segmentation imaged again is bright where the stack is "
                "dark: solid and pore may be swapped there",
                row["inverted_slices"],
                row["slices"],
            )
        return Table.from_rows([row])

    def _linked(
        self, images: Images, reimaged: Images, channel: int, ratio: np.ndarray, context: Context
    ) -> tuple[dict[str, float], list[LinkedSlice]]:
        """Link one channel; fill its map; return its figures, and the slices."""
        from scipy import ndimage

        from fib_plugins.image_statistics.noise_level import noise_level
        from fib_plugins.metrics.linked_slices import LinkOfSlices, link_slices
        from fib_plugins.metrics.recording_link import blur_between

        record, ideal = images.data[channel], reimaged.data[channel]
        voxel = images.voxel_size_nm
        threads = threads_for(_thread_bytes(images.shape), context.threads)
        if float(record.min()) == float(record.max()):
            raise FibError(
                f"the {images.names[channel]} images have the same grey value everywhere; there "
                f"is nothing to compare with. Check the file"
            )
        noise = noise_level(record, threads) ** 2
        fwhm = blur_between(record, ideal, voxel, threads)
        linked = link_slices(LinkOfSlices(record, ideal, fwhm, voxel, threads), ratio, context)
        whole = float(np.mean([one.variance for one in linked]))
        left = float(np.mean([one.left_variance for one in linked]))
        least = max(noise, 1e-9 * whole)

        def fill(z: int) -> None:
            squared = ndimage.uniform_filter(ratio[z] ** 2, self.window_pixels, mode="reflect")
            ratio[z] = squared / least

        in_threads(fill, range(len(record)), threads)
        structure = max(whole - noise, 1e-9 * whole)
        return {
            "unexplained_percent": 100.0 * max(left - noise, 0.0) / structure,
            "left_percent": 100.0 * left / whole,
            "noise_percent": 100.0 * noise / whole,
            "blur_fwhm_nm": fwhm,
        }, linked


def _thread_bytes(shape: tuple[int, int, int]) -> int:
    """Return the memory of a thread that links slices of volumes with this shape (z, y, x)."""
    return BYTES_PER_PIXEL * shape[1] * shape[2] + BLOCK_BYTES


PER_SLICE = {
    "channel": Key(),
    "slice": Abscissa(),
    "left_percent": Curve(),
    "contrast": Curve(),
    "shift_y_pixels": Curve("shift_pixels", along="y"),
    "shift_x_pixels": Curve("shift_pixels", along="x"),
}
"""Roles of the columns of ``per_slice``."""


def _figures(linked: LinkedSlice) -> dict[str, float]:
    return {
        "left_percent": 100.0 * linked.left_variance / (linked.variance or 1.0),
        "contrast": linked.contrast,
        "shift_y_pixels": linked.shift_pixels[0],
        "shift_x_pixels": linked.shift_pixels[1],
    }
