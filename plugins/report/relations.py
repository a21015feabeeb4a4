"""Which volumes of a run lie on the same voxels, read from how its steps are connected.

Every volume gets a place: the frame that it lies in and its offset there. What a step makes out of
a volume of the same shape lies where that lies; a cut shifts it; a metric that compares a
prediction with a truth, or a fit on images and labels, says that both lie on each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fib_plugins.report.collect import Input, Run, Step
from fibcore.errors import FibError
from fibcore.grid import box_of
from fibcore.volumes import Images, Labels, Volume

Name = tuple[str, str]
"""A volume's name: (id of the step, artefact)."""

CARRIERS = ("images", "labels", "prediction")
"""Inputs that a result of the same shape lies on, the first there is."""

PAIRS = (("prediction", "truth"), ("images", "labels"))
"""Inputs of one step that lie on each other."""


@dataclass(frozen=True)
class Place:
    """A box of voxels: the frame it lies in, its first voxel there, its shape, as (z, y, x)."""

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
        """Return where this box lies in the array of `other`; None if it is not all inside."""
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
        """Return the place of what a step reads as an input; None if that is not one volume."""
        sources = step.inputs.get(slot, [])
        places = {self._read(source) for source in sources}
        return places.pop() if len(places) == 1 else None

    def volumes_of(self, step: Step, slot: str) -> list[Volume]:
        """Return what a step reads as an input, cut and chosen as it reads it, if it is there.

        Raises:
            FibError: a volume is not the one that the run cut.
        """
        found = []
        for source in step.inputs.get(slot, []):
            artefact = self.run.artefact(source)
            volume = artefact.value if artefact is not None else None
            if isinstance(volume, Volume):
                volume = volume.cut(source.cut)
                if isinstance(volume, Images) and source.kv:
                    volume = volume.select(source.kv)
                found.append(volume)
        return found

    def truths(self, place: Place) -> Iterator[tuple[Step, Labels]]:
        """Yield the structures that cover a box, cut to it: labels that no images led to."""
        for (identifier, name), other in self.places.items():
            step = self.run.by_id[identifier]
            box = place.within(other)
            labels = step.artefacts[name].value
            if box is not None and isinstance(labels, Labels) and self._is_structure(step):
                yield step, labels.with_data(labels.data[box])

    def _place(self, step: Step, name: str, volume: Volume) -> Place:
        for slot in CARRIERS:
            place = self.place_of(step, slot)
            if place is not None and place.shape == volume.shape:
                return place
        return Place((step.id, name), (0, 0, 0), volume.shape)

    def _read(self, source: Input) -> Place | None:
        place = self.places.get((source.step, source.artefact))
        try:
            return place.part(source) if place else None
        except FibError:  # the volume is not the one that the run cut
            return None

    def _join(self, one: Place | None, other: Place | None) -> None:
        """Move all places of the frame of `other` into that of `one`, so that both coincide.

        Not where both frames hold a structure of their own: such a comparison is of statistics.
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
        """Return whether the labels of a step come from no images, through no earlier step."""
        for _, source in step.read:
            artefact, earlier = self.run.artefact(source), self.run.by_id.get(source.step)
            if artefact is None or earlier is None or artefact.type == "Images":
                return False
            if artefact.type == "Labels" and not self._is_structure(earlier):
                return False
        return True
