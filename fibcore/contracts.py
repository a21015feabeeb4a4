"""Inputs and results of a plugin's methods, read from their signatures.

The signature is the contract. Parameter names are input names, annotations are the accepted
artefacts (``list[Labels]``: one or more), an input with a default is optional, and the return
annotation is the main result.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fibcore.errors import FibError
from fibcore.kinds import KINDS
from fibcore.models import Model
from fibcore.plugin import Plugin, Trainable
from fibcore.reader import Reader
from fibcore.tables import Table
from fibcore.volumes import Images, Labels, Volume

NOT_INPUTS = ("self", "context", "seed")


@dataclass(frozen=True)
class Product:
    """The type of an artefact: `Labels`, `Images`, `Table`, or a `Model` of some kind of plugin.

    Attributes:
        type: the artefact's class.
        kind: for models, the kind of plugin they belong to.
    """

    type: type
    kind: str = ""

    def __str__(self) -> str:
        name = "model" if self.type is Model else self.type.__name__.lower()
        return f"a {self.kind} {name}" if self.kind else name


@dataclass(frozen=True)
class Slot:
    """One input of a method.

    Attributes:
        name: parameter name.
        accepts: types of artefacts that it accepts.
        required: whether it must be given.
        as_plugin: whether the method takes a model as its plugin, such as a `Physics`; a step
            that also leaves other artefacts that fit is then read as this plugin.
        several: whether the method takes a list of such artefacts.
    """

    name: str
    accepts: tuple[Product, ...]
    required: bool
    as_plugin: bool = False
    several: bool = False

    def takes(self, product: Product) -> bool:
        """Return whether a product fits."""
        return any(
            issubclass(product.type, wanted.type) and wanted.kind in ("", product.kind)
            for wanted in self.accepts
        )

    def fitting(self, products: Mapping[str, Product]) -> list[str]:
        """Return the names of the products that fit, the one that is read first."""
        fitting = [name for name, product in products.items() if self.takes(product)]
        if self.as_plugin:
            fitting.sort(key=lambda name: products[name].type is not Model)
        return fitting

    def __str__(self) -> str:
        words = " or ".join(str(product) for product in self.accepts)
        return f"a list of {words}" if self.several else words


def verbs(plugin: type[Plugin]) -> dict[str, str]:
    """Return the verbs that steps can use with a plugin: verb -> method."""
    run = {plugin.verb: plugin.main_method}
    if not issubclass(plugin, Trainable):
        return run
    learned = {"fit": "fit", "apply": plugin.main_method}
    return learned | run if plugin.works_unfitted else learned


def slots(plugin: type[Plugin], method: str) -> dict[str, Slot]:
    """Return the inputs of a method by name.

    Raises:
        FibError: the signature cannot be read; the message names what to annotate.
    """
    if issubclass(plugin, Reader):  # takes files
        return {}
    function = function_of(plugin, method)
    hints = hints_of(plugin, method)
    found = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in NOT_INPUTS:
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise FibError(
                f"{plugin.identifier()}.{method} takes *{parameter.name}; name each input instead"
            )
        if parameter.name not in hints:
            raise FibError(
                f"{plugin.identifier()}.{method}: annotate the input {parameter.name!r} with "
                f"Labels, Images, Table, Model or a kind of plugin"
            )
        hint = hints[parameter.name]
        several = typing.get_origin(hint) is list
        if several:
            (hint,) = typing.get_args(hint)
        accepts, as_plugin = _accepted(plugin, method, parameter.name, hint)
        required = parameter.default is parameter.empty
        found[parameter.name] = Slot(parameter.name, accepts, required, as_plugin, several)
    return found


def products(plugin: type[Plugin], method: str) -> dict[str, Product]:
    """Return the results of a step with this method, the main one first: name -> product."""
    if issubclass(plugin, Reader):  # one of these, which depends on the files
        return {type_.artefact: Product(type_) for type_ in plugin.holds}
    kept = getattr(function_of(plugin, method), "fib_keeps", {})
    model = {"model": Product(Model, plugin.kind)}
    if method == "fit":
        main = model
    else:
        result = hints_of(plugin, method).get("return")
        if not (isinstance(result, type) and issubclass(result, (Volume, Table))):
            raise FibError(
                f"{plugin.identifier()}.{method} must be annotated to return Labels, Images or "
                f"Table, not {result!r}"
            )
        main = {result.artefact: Product(result)}
        if plugin.leaves_model:
            main |= model
    return main | {name: Product(type_) for name, type_ in kept.items()}


def function_of(plugin: type[Plugin], method: str) -> Any:
    """Return a plugin's method; raises `FibError` if there is none."""
    function = getattr(plugin, method, None)
    if not callable(function):
        raise FibError(f"{plugin.identifier()} has no method {method!r}")
    return function


def hints_of(plugin: type[Plugin], method: str) -> dict[str, Any]:
    """Return the annotations of a method; raises `FibError` if they cannot be evaluated."""
    try:
        return typing.get_type_hints(function_of(plugin, method))
    except NameError as error:
        raise FibError(
            f"{plugin.identifier()}.{method}: {error}; types in a plugin's method signatures must "
            f"be imported where fib can see them, not only under TYPE_CHECKING"
        ) from error


def _accepted(
    plugin: type[Plugin], method: str, name: str, hint: Any
) -> tuple[tuple[Product, ...], bool]:
    options = [hint]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not type(None)]
    accepted: list[Product] = []
    as_plugin = False
    for option in options:
        if isinstance(option, type) and issubclass(option, Plugin):
            accepted.append(Product(Model, option.kind))
            as_plugin = True
        elif option is Volume:
            accepted += [Product(Labels), Product(Images)]
        elif isinstance(option, type) and issubclass(option, (Volume, Table, Model)):
            accepted.append(Product(option))
        else:
            raise FibError(
                f"{plugin.identifier()}.{method}: input {name!r} is annotated {option!r}; inputs "
                f"are Labels, Images, Table, Model, a kind of plugin ({', '.join(KINDS)}), or a "
                f"list of one of these"
            )
    return tuple(accepted), as_plugin
