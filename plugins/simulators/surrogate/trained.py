"""The network of a model, and what it was trained for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fib_plugins.simulators.surrogate.geometry import Geometry
from fib_plugins.simulators.surrogate.parameters import SurrogateParameters
from fibcore import FibError, Model

if TYPE_CHECKING:
    from fib_plugins.simulators.surrogate.network import SurrogateNetwork


@dataclass(frozen=True)
class TrainedNetwork:
    """The network of a model.

    Attributes:
        model: the model.
    """

    model: Model

    @property
    def info(self) -> Mapping[str, Any]:
        """The info of the model; see `SurrogateInfo`."""
        return self.model.info

    @cached_property
    def trained(self) -> SurrogateParameters:
        """The parameters of its training."""
        return SurrogateParameters.model_validate(dict(self.model.params))

    @cached_property
    def geometry(self) -> Geometry:
        """The pyramid that the network sees."""
        scales = tuple((int(z), int(y), int(x)) for z, y, x in self.info["scales"])
        return Geometry(self.trained.planes, scales)

    def build(self) -> SurrogateNetwork:
        """Return a network of this form, with random weights."""
        from fib_plugins.simulators.surrogate.network import build_network

        return build_network(
            self.geometry,
            media=len(self.info["materials"]),
            features=self.trained.features,
            outputs=len(self.info["kv"]) * (2 if self.trained.mean_depth else 1),
            seed=0,
        )

    def network(self) -> SurrogateNetwork:
        """Return the network with its weights."""
        from fib_plugins.training.weights import set_weights

        network = self.build()
        set_weights(network, self.model.weights)
        return network

    def channels_for(self, params: SurrogateParameters) -> list[int]:
        """Return which outputs are the channels of some parameters.

        Raises:
            FibError: there is no output for one of them, or no mean depth.
        """
        trained = self.trained
        unknown = [e for e in params.energies_kev if e not in trained.energies_kev]
        if unknown:
            raise FibError(
                f"the surrogate was trained at {_listed(trained.energies_kev)} kV, not at "
                f"{_listed(unknown)}: fit one for these voltages (energies_kev), or use "
                f"simulator/monte_carlo"
            )
        if params.mean_depth and not trained.mean_depth:
            raise FibError(
                "the surrogate was trained without mean_depth: fit one with it, or use "
                "simulator/monte_carlo"
            )
        names = trained.channel_names
        return [names.index(name) for name in params.channel_names]


def _listed(energies: tuple[float, ...] | list[float]) -> str:
    return ", ".join(f"{energy:g}" for energy in energies)
