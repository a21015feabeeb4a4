"""Plugins that a plugin was given as inputs, as a part of its own model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field, ValidationError

from fibcore import FibError, Model, Plugin, Trainable
from fibcore.errors import faults
from fibcore.models import ModelInfo
from fibcore.plugin import restored
from fibcore.registry import registry


class HeldInfo(ModelInfo):
    """What the info of a model has about a plugin that it keeps; its weights are named by role."""

    plugin: str
    params: dict[str, Any]
    info: dict[str, Any]
    fitted: bool
    changes: dict[str, Any] = Field(default_factory=dict)


def with_held(model: Model, held: Mapping[str, Plugin]) -> Model:
    """Return a model that also keeps some plugins.

    Args:
        model: the model of the plugin that holds them.
        held: role (name of the input) -> plugin.
    """
    weights, info = dict(model.weights), dict(model.info)
    for role, plugin in held.items():
        own = plugin.as_model()
        fitted = isinstance(plugin, Trainable) and plugin.fitted
        now = plugin.model_dump(mode="json")
        facts = HeldInfo(
            plugin=own.plugin,
            params=dict(own.params),
            info=dict(own.info),
            fitted=fitted,
            changes={name: now[name] for name in now if now[name] != own.params.get(name)},
        )
        info[role] = facts.model_dump(mode="json", exclude_defaults=True)
        weights |= {f"{role}.{name}": array for name, array in own.weights.items()}
    return replace(model, weights=weights, info=info)


def held_in(model: Model, roles: Mapping[str, type[Plugin]]) -> dict[str, Plugin]:
    """Return the plugins that a model keeps: role -> plugin.

    Args:
        model: the model of the plugin that holds them.
        roles: role -> kind of plugin that it may be.

    Raises:
        FibError: the model is damaged, or one of its plugins does not fit.
    """
    held = {}
    for role in roles.keys() & model.info.keys():
        try:
            facts = HeldInfo.model_validate(model.info[role])
        except ValidationError as error:
            raise FibError(
                f"the info of the model does not fit {model.plugin}: {role}.{faults(error)}. It is "
                f"damaged, or was made by other software: restore its files"
            ) from None
        start = f"{role}."
        own = Model(
            facts.plugin,
            facts.params,
            {n.removeprefix(start): a for n, a in model.weights.items() if n.startswith(start)},
            facts.info,
            forecast=model.forecast,
        )
        plugin_class = registry().plugin(facts.plugin)
        if not issubclass(plugin_class, roles[role]):
            raise FibError(
                f"the model of {model.plugin} has {facts.plugin} as its {role}: it is damaged; "
                f"restore its files"
            )
        if facts.fitted:
            held[role] = plugin_class.from_model(own, **facts.changes)
        else:
            held[role] = restored(plugin_class, own)
    return held
