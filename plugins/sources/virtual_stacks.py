"""Virtual structures, simulated and recorded, each pair with parameters of its own."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field, PrivateAttr, model_validator

from fib_plugins.held_plugins import held_in, with_held
from fib_plugins.sources.counted_phases import counted_labels, counted_spec
from fib_plugins.sources.pair_spec import check_same_volume, forecast_pair, same, taken
from fib_plugins.sources.varied_plugin import VariedPlugin, reject
from fibcore import (
    Adapter,
    Context,
    FibError,
    Forecast,
    Generator,
    Images,
    Labels,
    Model,
    Physics,
    Plugin,
    Simulator,
    Source,
    VolumeSpec,
    keeps,
)

Phase = Annotated[int, Field(ge=0, le=255)]


class VariedStructure(VariedPlugin):
    """A generator, perhaps with ranges in place of parameters, and its share of the pairs."""

    kind: ClassVar[str] = "generator"

    weight: float = Field(
        default=1.0, gt=0, description="share of the pairs with this structure, relative to others"
    )


class VariedSimulator(VariedPlugin):
    """A simulator, perhaps with ranges in place of parameters."""

    kind: ClassVar[str] = "simulator"


class VariedAdapter(VariedPlugin):
    """An adapter, perhaps with ranges in place of parameters."""

    kind: ClassVar[str] = "adapter"


class VirtualStacks(Source):
    """Makes virtual structures, simulates and records them: new ones for each epoch of a training.

    Each pair is made in steps: one of the `structures` is generated, with parameters drawn from
    their ranges and with a seed of its own; the simulator images it; random variants of the
    `effects` change the images, and one of the instrument (`Adapter.randomised`) records them. An
    instrument that takes labels gets them, too: `adapter/acquisition` with a look needs them.
    Networks trained on such pairs see structures, counting noise and recordings that no epoch saw
    before (domain randomisation: Tobin et al., IROS 2017).

    Each plugin is given as ``{"plugin": "kind/name", "params": {...}}``, a structure perhaps with a
    ``weight``. In place of a parameter, or of an element of a list, ``{"between": [lowest,
    highest]}`` is drawn from uniformly (a parameter that takes integers gets integers), and
    ``{"among": [values]}`` is one of some values. All structures have one shape, voxel size and
    list of materials.

    Segmenters trained on the pairs find the phases of their labels. `count_phase_as` lets them look
    for fewer than the structures have.

    Structures, simulator and instrument are given as parameters, or as inputs by steps that fit
    them: `structure` takes a fitted generator, such as `generator/resembling`. The input `physics`
    is passed on to a simulator that takes one. Inputs are kept in the model of the source.
    """

    name: ClassVar[str] = "virtual_stacks"

    structures: tuple[VariedStructure, ...] = Field(
        default=(),
        description="generators with ranges in place of parameters, one of them for each pair; "
        "none: the input `structure`",
    )
    simulator: VariedSimulator | None = Field(
        default=None, description="simulator of the images; none: the input `simulator`"
    )
    effects: tuple[VariedAdapter, ...] = Field(
        default=(),
        description="adapters that change the simulated images before the instrument records them, "
        "in this order, such as adapter/grains; those that take labels are given the structure, "
        "and what its generator keeps under the names of further inputs",
    )
    instrument: VariedAdapter | None = Field(
        default=None,
        description="adapter that records the images; none: the input `instrument`, or images as "
        "simulated",
    )
    count_phase_as: dict[Phase, Phase] = Field(
        default_factory=dict,
        description="phases that count as another one in the labels of the pairs, though the "
        'images show them: {"2": 0} for the binder of generator/electrode as pore',
    )
    instrument_spread: float = Field(
        default=0.5,
        ge=0,
        le=10,
        description="spread of the variants of instrument and effects; 0.5: strengths and lengths "
        "differ by a factor of up to 1.5",
    )

    _held: dict[str, Plugin] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _alike(self) -> Self:
        """Refuse structures that a generator rejects, and structures of different specs."""
        outputs: list[VolumeSpec] = []
        for number, structure in enumerate(self.structures):
            try:
                found = _forecasts(structure)
                outputs += [each.output for each in found if each.output is not None]
                same(outputs, "the structures")
            except FibError as error:
                reject(("structures", number), str(error))
        return self

    # -- as a model ----------------------------------------------------------------------------

    def as_model(self) -> Model:
        """Return the parameters, and the models of the plugins given as inputs."""
        return with_held(super().as_model(), self._held)

    @classmethod
    def from_model(cls, model: Model, **changes: Any) -> Self:
        """Return the source of a model, with the plugins that it was given as inputs.

        Raises:
            FibError: the model belongs to another plugin, or does not fit this one.
        """
        source = super().from_model(model, **changes)
        source._held = held_in(model, INPUTS)
        return source

    # -- before a run --------------------------------------------------------------------------

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Return the specs of a pair and the memory to make it; refuse plugins that do not fit."""
        held = self._held | {name: plugin for name, plugin in inputs.items() if plugin is not None}
        self._check(held)
        found = forecast_pair(
            [[held["structure"].forecast("generate", {})]]
            if "structure" in held
            else [_forecasts(structure) for structure in self.structures],
            [held["simulator"]] if "simulator" in held else _examples(self.simulator),
            [held["instrument"]] if "instrument" in held else _examples(self.instrument),
            held.get("physics"),
            [_examples(effect) for effect in self.effects],
        )
        kept = {name: counted_spec(each, self.count_phase_as) for name, each in found.kept.items()}
        return replace(found, kept=kept, model=with_held(super().as_model(), held))

    def _check(self, held: Mapping[str, Plugin]) -> None:
        """Refuse inputs that are missing, or given twice."""
        for name in ("structure", "simulator", "instrument"):
            parameter = "structures" if name == "structure" else name
            given = bool(getattr(self, parameter))
            if name in held and given:
                raise FibError(
                    f"the {name} is given as a parameter and as an input; give one of them"
                )
            if name not in held and not given and name in EXAMPLES:
                raise FibError(
                    f"there is no {name}: give the parameter {parameter}, such as "
                    f"{EXAMPLES[name]}, or a step that fits one as the input {name}"
                )

    # -- work ----------------------------------------------------------------------------------

    @keeps(labels=Labels)
    def sample(
        self,
        context: Context | None = None,
        *,
        structure: Generator | None = None,
        simulator: Simulator | None = None,
        instrument: Adapter | None = None,
        physics: Physics | None = None,
    ) -> Images:
        """Return the images of training pair 0 as an example; keeps its labels.

        The source holds the given plugins from then on, and all further pairs are made with them.

        Args:
            context: surroundings of the step.
            structure: generator of the structures, in place of the parameter `structures`.
            simulator: simulator of the images, in place of the parameter.
            instrument: adapter that records the images, in place of the parameter.
            physics: backscatter coefficients for a simulator that takes them.

        Raises:
            FibError: plugins that do not fit together.
        """
        found = zip(INPUTS, (structure, simulator, instrument, physics), strict=True)
        given: dict[str, Plugin] = {name: each for name, each in found if each is not None}
        if given:
            self._held = given
        self.forecast("sample", {})
        return super().sample(context)

    def pair(
        self, purpose: str, number: int, context: Context | None = None
    ) -> tuple[Images, Labels]:
        """Return images and the labels that they show; see `Source.pair`.

        Raises:
            FibError: drawn parameters that a plugin rejects, or an error of one of the plugins.
        """
        context = Context.of(context)
        self._check(self._held)
        rng = context.rng_for("pair", purpose, number)
        seeds = rng.integers(2**63, size=3)
        generator: Any = self._held.get("structure") or self._drawn_structure(rng)
        # What the steps warn of is much the same for all pairs: it is logged for the example.
        log = context.log if (purpose, number) == EXAMPLE else QUIET
        making = _inner(context, seeds[0], "structure", log)
        labels = generator.generate(making)
        simulator: Any = self._drawn("simulator", rng)
        physics = {"physics": self._held["physics"]} if "physics" in self._held else {}
        imaging = _inner(context, seeds[1], "simulation", log)
        images = simulator.simulate(labels, **physics, context=imaging)
        context.device_used = imaging.device_used
        for number, effect in enumerate(self.effects):
            adapter: Any = effect.drawn(rng)
            own = _inner(context, int(rng.integers(2**63)), f"effect {number}", log)
            shown = taken(adapter, making.kept | {"labels": labels})
            variant = adapter.randomised(rng, self.instrument_spread)
            images = variant.transform(images, **shown, context=own)
        counted = counted_labels(labels, self.count_phase_as)
        instrument: Any = self._drawn("instrument", rng)
        if instrument is not None:
            variant = instrument.randomised(rng, self.instrument_spread)
            recording = _inner(context, seeds[2], "recording", log)
            shown = taken(variant, {"labels": counted})
            images = variant.transform(images, context=recording, **shown)
        check_same_volume(images.shape, labels.shape)
        return images, counted

    def _drawn_structure(self, rng: np.random.Generator) -> Plugin:
        """Return one of the generators, with parameters drawn from their ranges."""
        weights = np.array([structure.weight for structure in self.structures])
        return self.structures[rng.choice(len(weights), p=weights / weights.sum())].drawn(rng)

    def _drawn(self, name: str, rng: np.random.Generator) -> Plugin | None:
        """Return the simulator or the instrument of a pair; None if there is none."""
        varied = getattr(self, name)
        return self._held.get(name) if varied is None else varied.drawn(rng)


INPUTS: Mapping[str, type[Plugin]] = {
    "structure": Generator,
    "simulator": Simulator,
    "instrument": Adapter,
    "physics": Physics,
}
"""The inputs of a step, which the source holds from then on: name -> kind of plugin."""
EXAMPLES = {
    "structure": '[{"plugin": "generator/leveled_wave", "params": {...}}]',
    "simulator": '{"plugin": "simulator/weighted_projection", "params": {"energies_kev": [2]}}',
}
"""What there must be, as a parameter or as an input."""
EXAMPLE = ("training", 0)
"""Purpose and number of the pair that `sample` returns."""
QUIET = logging.Logger("fib.pairs", logging.ERROR)


def _examples(varied: VariedPlugin | None) -> list[Plugin]:
    return [] if varied is None else list(varied.examples())


def _forecasts(structure: VariedStructure) -> list[Forecast]:
    """Return the forecasts of a structure over its ranges."""
    return [plugin.forecast(plugin.main_method, {}) for plugin in structure.examples()]


def _inner(context: Context, seed: int, name: str, log: logging.Logger) -> Context:
    """Return the context of one of the steps that make a pair."""
    return Context(
        int(seed),
        device=context.device_asked,
        threads=context.threads,
        scratch=context.scratch / name,
        report=lambda what, done, total: context.progress(done, total, what),
        log=log,
    )
