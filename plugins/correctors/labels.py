"""Labels that belong to a stack of images and are moved together with it."""

from __future__ import annotations

from fibcore import FibError, VolumeSpec


def check_labels(images: VolumeSpec | None, labels: VolumeSpec | None) -> None:
    """Refuse labels of another shape than the images.

    Raises:
        FibError: the shapes differ; both are known.
    """
    if images is not None and labels is not None and images.shape != labels.shape:
        raise FibError(
            f"the images have shape {images.shape}, the labels {labels.shape} (z, y, x): they must "
            f"be the same voxels; cut both in the same way, or leave the labels out"
        )
