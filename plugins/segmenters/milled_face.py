"""Segmentation by the flatness of the milled face, without labels or training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from fib_plugins.milled_face.face import BEAM_PX, Face, face_mask
from fib_plugins.threads import bytes_in_threads, in_threads, threads_for
from fibcore import Context, FibError, Images, Labels, MaterialParam, Segmenter, Table, keeps
from fibcore.context import held_bytes
from fibcore.plugin import Forecast

MOST_SLICES = 48
"""Slices, evenly spaced, in which the face is looked for."""
BYTES_PER_PIXEL = 120
"""Memory of a thread for each pixel of a slice."""
BYTES_PER_CHANNEL = 8
BLOCK = 16
"""Slices between two reports of progress."""


class MilledFace(Segmenter):
    """Segments stacks with open pores by the flatness of the milled face, without training.

    The face that the ion beam has cut is flat: all of it has one grey value, which is a narrow mode
    of the histogram. What lies below the face, in pores, has many. In this order:

    1. curtains and shading are divided out, as measured on the face itself;
    2. pixels in the mode, in patches of more than about 4 pixels, are the face, and pixels beyond
       it are pores, except where they may be an edge;
    3. pixels between them belong to the side of the steepest slope (a watershed: F. Meyer, Signal
       Processing 38 (1994) 113-125). Edges of the face therefore lie half way between the grey
       values on both sides; bright rims of the face belong to it.

    With several channels, as of two detectors, a pixel is the face if it is in the mode of one, and
    in none of them farther from it than a rim is. Curtains must run along y.

    What is as bright as the face in every channel, in patches, is taken for solid. There is one
    phase of solid.
    """

    name: ClassVar[str] = "milled_face"

    solid: Literal["bright", "dark"] = Field(
        default="bright",
        description="of several narrow modes, as of solid and resin, whether the solid is the "
        "brightest or the darkest",
    )
    blur_px: float | None = Field(
        default=None,
        ge=0.3,
        le=20,
        description="standard deviation of the Gaussian blur of slices, pixels; none: the least "
        "of 0.7 to 2.8 after which the mode is narrow",
    )
    beam_px: float = Field(
        default=BEAM_PX,
        ge=0,
        le=10,
        description="blur of edges in the images, standard deviation in pixels",
    )
    materials: tuple[MaterialParam, MaterialParam] = Field(
        default=("epoxy", "Au"),  # type: ignore[assignment]  # names that validation looks up
        description="materials of pore (phase 0) and solid (phase 1)",
    )

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Return the spec of the labels, and the memory of the slices in work."""
        base, spec = super().forecast(method, inputs), inputs.get("images")
        if spec is None or base.output is None:
            return base
        pixels = spec.shape[1] * spec.shape[2]
        each = (BYTES_PER_PIXEL + BYTES_PER_CHANNEL * len(spec.kv)) * pixels
        return replace(base, memory_bytes=held_bytes(base.output.nbytes) + bytes_in_threads(each))

    @keeps(faces=Table)
    def predict(self, images: Images, context: Context | None = None) -> Labels:
        """Return 1 where the milled face of the solid is, else 0; keeps what the face looks like.

        The table `faces` has one row for each channel: channel (its name), grey_value of the face,
        deviation (after curtains are removed and the blur), spread (standard deviation of all grey
        values), blur_px, doubtful (whether the face is hardly narrower than all).

        Raises:
            FibError: no channel with a narrow mode.
        """
        context = Context.of(context)
        faces = self._faces(images, context)
        solid = context.empty("labels", images.shape, np.uint8)
        each = BYTES_PER_PIXEL * images.shape[1] * images.shape[2]

        def segment(z: int) -> None:
            planes = [self._upright(images.data[channel, z]) for channel in faces]
            even = [face.flattened(p)[0] for face, p in zip(faces.values(), planes, strict=True)]
            solid[z] = face_mask(list(faces.values()), even, self.beam_px)

        depth, threads = images.shape[0], threads_for(each, context.threads)
        for start in range(0, depth, BLOCK):
            stop = min(start + BLOCK, depth)
            in_threads(segment, range(start, stop), threads)
            context.progress(stop, depth, "slices segmented")
        return Labels(solid, images.voxel_size_nm, dict(enumerate(self.materials)))

    def _faces(self, images: Images, context: Context) -> dict[int, Face]:
        """Return the face in each channel that shows it."""
        depth = images.shape[0]
        chosen = np.unique(np.linspace(0, depth - 1, min(depth, MOST_SLICES)).round().astype(int))
        faces, refused = {}, []
        for channel, name in enumerate(images.names):
            slices = _Slices(self, images.data[channel], chosen)
            try:
                faces[channel] = Face.of(slices, f"the {name} images", self.blur_px)
            except FibError as error:
                refused.append(str(error))
        if not faces:
            raise FibError(refused[0])
        for refusal in refused:
            context.log.warning("%s: this channel is left out", refusal)
        rows: list[dict[str, Any]] = [
            {
                "channel": images.names[channel],
                "grey_value": face.mode.level if self.solid == "bright" else -face.mode.level,
                "deviation": face.mode.deviation,
                "spread": face.mode.spread,
                "blur_px": face.blur_px,
                "doubtful": face.mode.doubtful,
            }
            for channel, face in faces.items()
        ]
        for row in rows:
            if row["doubtful"]:
                context.log.warning(
                    "the face in the %s images is not clearly narrower (deviation %.3g) than all "
                    "grey values (%.3g): check the labels in the report",
                    row["channel"],
                    row["deviation"],
                    row["spread"],
                )
        context.keep("faces", Table.from_rows(rows))
        return faces

    def _upright(self, plane: np.ndarray) -> np.ndarray:
        """Return a slice in which the solid is bright."""
        return plane if self.solid == "bright" else -plane.astype(np.float32)


class _Slices(Sequence[np.ndarray]):
    """Some slices of a channel, read one by one."""

    def __init__(self, segmenter: MilledFace, data: np.ndarray, chosen: np.ndarray) -> None:
        self._segmenter, self._data, self._chosen = segmenter, data, chosen

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, index: Any) -> Any:
        return self._segmenter._upright(np.asarray(self._data[self._chosen[index]]))
