"""Reads an opened stack as labels or images."""

from __future__ import annotations

from dataclasses import replace

from fib_plugins.readers.stacks.checks import check_images
from fib_plugins.readers.stacks.labels import Numbers, checked_labels
from fib_plugins.readers.stacks.pixels import OpenPlanes, read_pixels
from fib_plugins.readers.stacks.stack import Stack
from fibcore.context import Context
from fibcore.volumes import Images, Labels


def load_stack(
    stack: Stack, planes: OpenPlanes, context: Context, *, trusted: bool
) -> Labels | Images:
    """Read a volume.

    Args:
        stack: the stack.
        planes: function that opens the planes of a file that cannot be memory-mapped.
        context: context for threads, progress, warnings, and large decoded arrays.
        trusted: skip the checks of all voxels, for files written by fib.

    Raises:
        FibError: planes cannot be decoded, images are constant or have NaN, labels are not phases.
    """
    for warning in stack.warnings:
        context.log.warning("%s", warning)
    numbers = Numbers(stack.phase_of_value)
    data = read_pixels(stack, planes, numbers, context)
    size = stack.spec.voxel_size_nm
    if stack.spec.type is Labels:
        phases = data[0] if trusted else checked_labels(data[0], stack, numbers, context)
        return Labels(phases, size, phases=stack.materials)
    if not trusted:
        check_images(data, stack, context)
    spec = stack.spec
    images = Images(data, size, kv=spec.kv, names=stack.names, detectors=spec.detectors)
    return replace(images, quantity=stack.quantity) if stack.quantity else images
