"""Finds the volumes of a run that cover the same voxels, from the connections of its steps.

Each volume has a place: a frame, and an offset in this frame. A result with the shape of the input
has the place of the input. A cut shifts the place. A metric that compares a prediction with a
truth, or a fit on images and labels, implies that both have the same place. A step that moves
images, and labels that belong to them, has a frame of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fib_plugins.report.collect import Input, Run, Step
from fibcore.contracts import slots
from fibcore.errors import FibError
from fibcore.grid import box_of
from fibcore.kinds import Corrector
from fibcore.registry import registry
from fibcore.volumes import Images, Labels, Volume

Name = tuple[str, str]
"""Name of a volume: (id of the step, artefact)."""

CARRIERS = ("images", "labels", "prediction")
"""Inputs that determine the place of a result of the same shape; the first one is used."""

PAIRS = (("prediction", "truth"), ("images", "labels"))
"""Inputs of a step that have the same place."""


MOVED = "moved"
"""Name of the frame of a step that moves what it is given."""


def moves(step: Step) -> bool:
    """Return whether a step moves voxels: it has moved labels with the images, or could have."""
    if {"images", "labels"} <= step.inputs.keys():
        return "labels" in step.artefacts
    try:
        plugin = registry().plugin(step.plugin)
    except FibError:  # it is not installed here
        return False
    return issubclass(plugin, Corrector) and "labels" in slots(plugin, plugin.main_method)


@dataclass(frozen=True)
class Place:
    """A box of voxels: its frame, its first voxel in the frame and its shape, as (z, y, x)."""

    frame: Name
    offset: tuple[int, int, int]
    shape: tuple[int, int, int]

    def part(self, source: Input) -> Place:
        """Return the place of the part that an input reads."""
        box = box_of(self.shape, source.cut)
        offset = tuple(o + part.start for o, part in zip(self.offset, box, strict=True))
        shape = tuple(part.stop - part.start for part in box)
        return Place(self.frame, offset, shape)

    def within(self, other: Place) -> tuple[slice, slice, slice] | None:
        """Return this box as slices of the array of `other`; None if it is not fully inside."""
        starts = [a - b for a, b in zip(self.offset, other.offset, strict=True)]
        stops = [start + n for start, n in zip(starts, self.shape, strict=True)]
        inside = all(
            start >= 0 and stop <= n
            for start, stop, n in zip(starts, stops, other.shape, strict=True)
        )
        if self.frame != other.frame or not inside:
            return None
        z, y, x = (slice(start, stop) for start, stop in zip(starts, stops, strict=True))
        return (z, y, x)


class Relations:
    """The places of all volumes of a run that can be read."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.places: dict[Name, Place] = {}
        for step in run.steps:
            for name, artefact in step.artefacts.items():
                if isinstance(artefact.value, Volume):
                    self.places[step.id, name] = self._place(step, name, artefact.value)
            for one, other in PAIRS:
                self._join(self.place_of(step, one), self.place_of(step, other))

    def place_of(self, step: Step, slot: str) -> Place | None:
        """Return the place of an input of a step; None if it is not a single volume."""
        sources = step.inputs.get(slot, [])
        places = {self._read(source) for source in sources}
        return places.pop() if len(places) == 1 else None

    def volumes_of(self, step: Step, slot: str) -> list[Volume]:
        """Return the volumes of an input of a step, with its cut and channels, if they exist.

        Raises:
            FibError: a volume is not the one that the run used.
        """
        found = []
        for source in step.inputs.get(slot, []):
            artefact = self.run.artefact(source)
            volume = artefact.value if artefact is not None else None
            if isinstance(volume, Volume):
                volume = volume.cut(source.cut)
                if isinstance(volume, Images) and (source.kv or source.detector):
                    volume = volume.select(source.kv, source.detector)
                found.append(volume)
        return found

    def truths(self, place: Place) -> Iterator[tuple[Step, Labels]]:
        """Yield the structures (labels not derived from images) that cover a box, cut to it."""
        for (identifier, name), other in self.places.items():
            step = self.run.by_id[identifier]
            box = place.within(other)
            labels = step.artefacts[name].value
            if box is not None and isinstance(labels, Labels) and self._is_structure(step):
                yield step, labels.with_data(labels.data[box])

    def _place(self, step: Step, name: str, volume: Volume) -> Place:
        if moves(step):
            return Place((step.id, MOVED), (0, 0, 0), volume.shape)
        for slot in CARRIERS:
            place = self.place_of(step, slot)
            if place is not None and place.shape == volume.shape:
                return place
        return Place((step.id, name), (0, 0, 0), volume.shape)

    def _read(self, source: Input) -> Place | None:
        place = self.places.get((source.step, source.artefact))
        try:
            return place.part(source) if place else None
        except FibError:  # the volume is not the one that the run used
            return None

    def _join(self, one: Place | None, other: Place | None) -> None:
        """Move all places of the frame of `other` into that of `one`, so that both coincide.

        Frames that each have a structure are not joined: such a comparison is of statistics.
        """
        if one is None or other is None or one.frame == other.frame or one.shape != other.shape:
            return
        if self._has_structure(one.frame) and self._has_structure(other.frame):
            return
        shift = [a - b for a, b in zip(one.offset, other.offset, strict=True)]
        for name, place in self.places.items():
            if place.frame == other.frame:
                z, y, x = (o + s for o, s in zip(place.offset, shift, strict=True))
                self.places[name] = Place(one.frame, (z, y, x), place.shape)

    def _has_structure(self, frame: Name) -> bool:
        for (identifier, name), place in self.places.items():
            step = self.run.by_id[identifier]
            labels = isinstance(step.artefacts[name].value, Labels)
            if place.frame == frame and labels and self._is_structure(step):
                return True
        return False

    def _is_structure(self, step: Step) -> bool:
        """Return whether the labels of a step are not derived from images, even indirectly."""
        for slot, source in step.read:
            if slot == "images" and moves(step):
                continue  # its labels are those that it was given, moved
            artefact, earlier = self.run.artefact(source), self.run.by_id.get(source.step)
            if artefact is None or earlier is None or artefact.type == "Images":
                return False
            if artefact.type == "Labels" and not self._is_structure(earlier):
                return False
        return True
