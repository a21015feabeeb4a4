"""The spec of a source's pairs, known before any pair is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from fib_plugins.channels import shown
from fibcore import Adapter, FibError, Forecast, Plugin, VolumeSpec
from fibcore.channels import Channel
from fibcore.contracts import slots

FACTS = {
    "shape": "shape (z, y, x)",
    "voxel_size_nm": "voxel size in nm (z, y, x)",
    "channels": "channels",
    "dtype": "element type",
    "phases": "materials",
}
"""What all pairs have in common: attribute of a spec -> its name in messages."""


def same(specs: Iterable[VolumeSpec], what: str) -> VolumeSpec | None:
    """Return the spec that all of them are; None if there is none.

    Args:
        specs: the specs.
        what: what they are, for messages.

    Raises:
        FibError: two of them differ.
    """
    first = None
    for spec in specs:
        first = first or spec
        for name, words in FACTS.items():
            one, other = getattr(first, name), getattr(spec, name)
            if one != other:
                raise FibError(
                    f"{what} differ in {words}: {_shown(one)} and {_shown(other)}; all pairs of a "
                    f"source must have the same"
                )
    return first


def forecast_pair(
    structures: Sequence[Sequence[Forecast]],
    simulators: Sequence[Any],
    instruments: Sequence[Any],
    physics: Plugin | None,
    effects: Sequence[Sequence[Any]] = (),
) -> Forecast:
    """Return the forecast of a pair: specs of images and labels, memory, warnings.

    Args:
        structures: forecasts of each structure, over its ranges.
        simulators: the simulator, over its ranges.
        instruments: the instrument, over its ranges; empty if there is none.
        physics: coefficients that are passed to the simulator.
        effects: each adapter between simulator and instrument, over its ranges.

    Raises:
        FibError: plugins that do not fit together, or that make other images from pair to pair.
    """
    steps = list(structures)
    labels = _output([each for forecasts in structures for each in forecasts], "the structures")
    for simulator in simulators[:1]:
        _check_inputs(simulator, physics)
    given: dict[str, Any] = {"labels": labels} | ({} if physics is None else {"physics": physics})
    steps.append(_forecasts(simulators, given))
    images = _output(steps[-1], "the images of the simulator")
    if images is not None and labels is not None:
        check_same_volume(images.shape, labels.shape)
    for effect in effects if images is not None else ():
        of_structures = [{**each[0].kept, "labels": labels} for each in structures]
        steps.append(
            [
                made
                for there in of_structures
                for made in _forecasts(effect, {"images": images} | taken(effect[0], there))
            ]
        )
        images = _output(steps[-1], "the images of an effect") or images
    if images is not None:
        steps.append([_without_variants(instrument) for instrument in instruments[:1]])
        shown = taken(instruments[0], {"labels": labels}) if instruments and labels else {}
        steps.append(_forecasts(instruments, {"images": images} | shown))
        images = _output(steps[-1], "the images of the instrument") or images
        if labels is not None:
            check_same_volume(images.shape, labels.shape)
        images = images.of_channels(images.channels)
    kept = {} if labels is None else {"labels": labels}
    memory = max(forecast.memory_bytes for forecasts in steps for forecast in forecasts)
    memory += sum(2 * spec.nbytes for spec in (images, labels) if spec is not None)
    # A warning of one range's values is much like that of others: the first is enough.
    warnings = [next((f.warnings for f in forecasts if f.warnings), ()) for forecasts in steps]
    return Forecast(images, kept, memory_bytes=memory, warnings=tuple(chain(*warnings)))


def check_same_volume(images: tuple[int, ...], labels: tuple[int, ...]) -> None:
    """Refuse images that do not show the whole structure."""
    if images != labels:
        raise FibError(
            f"the images of a pair have shape {images}, its labels {labels} (z, y, x): the "
            f"simulator must image the whole structure, and the instrument must keep its shape"
        )


def taken(adapter: Plugin, there: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an adapter takes, by the names of its inputs, of what there is of a structure."""
    names = slots(type(adapter), adapter.main_method)
    return {name: each for name, each in there.items() if name in names}


def _output(forecasts: Sequence[Forecast], what: str) -> VolumeSpec | None:
    return same((each.output for each in forecasts if each.output is not None), what)


def _forecasts(plugins: Sequence[Any], inputs: Mapping[str, Any]) -> list[Forecast]:
    return [plugin.forecast(plugin.main_method, inputs) for plugin in plugins]


def _without_variants(instrument: Adapter) -> Forecast:
    """Return the warning that an instrument has no random variants, as a forecast."""
    if type(instrument).randomised is not Adapter.randomised:
        return Forecast()
    name = instrument.identifier()
    return Forecast(
        warnings=(f"{name} has no random variants: all pairs are recorded by this one instrument",)
    )


def _check_inputs(simulator: Plugin, physics: Plugin | None) -> None:
    """Refuse a simulator that needs other inputs, or that takes no physics."""
    taken = slots(type(simulator), simulator.main_method)
    name = simulator.identifier()
    if physics is not None and "physics" not in taken:
        raise FibError(f"{name} takes no physics: leave the input physics out")
    given = {"labels"} | ({"physics"} if physics is not None else set())
    missing = [slot for slot in taken.values() if slot.required and slot.name not in given]
    if missing:
        raise FibError(
            f"{name} needs the input {missing[0].name} ({missing[0]}), which a source cannot give "
            f"it; use another simulator"
        )


def _shown(fact: Any) -> str:
    if isinstance(fact, tuple) and all(isinstance(part, Channel) for part in fact):
        return shown(fact) or "none"
    return str(dict(fact) if isinstance(fact, Mapping) else fact)
