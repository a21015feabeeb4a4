"""Helpers for tests of plugins: ``check_plugin`` checks that a plugin fulfils its contract.

>>> from fib_plugins.testing import check_plugin
>>> def test_spinodal_fulfils_the_contract():
...     assert check_plugin(Spinodal) == []
"""

from __future__ import annotations

import inspect
import re
import typing
from typing import Any

from pydantic import ValidationError

from fibcore.contracts import function_of, hints_of, products, slots
from fibcore.errors import FibError
from fibcore.kinds import KINDS
from fibcore.plugin import Plugin, Trainable
from fibcore.reader import Reader

NAME_PATTERN = re.compile(r"^[a-z][a-z0-9_]*$")


def check_plugin(plugin: type[Plugin]) -> list[str]:
    """Return the problems of a plugin class, one sentence for each; an empty list if none.

    The plugin is not run. The class must derive from a kind, have a name and a docstring, implement
    its methods with annotated artefacts and describe each parameter; parameters must be the same
    after conversion to JSON and back.
    """
    base = next(
        (k for k in KINDS.values() if inspect.isclass(plugin) and issubclass(plugin, k)), None
    )
    if base is None:
        return [
            f"{plugin!r} does not derive from a kind of plugin: "
            + ", ".join(kind.__name__ for kind in KINDS.values())
        ]
    name = plugin.__name__
    problems = []
    if not NAME_PATTERN.match(plugin.name or ""):
        problems.append(
            f"{name}.name is {plugin.name!r}; set `name: ClassVar[str]` to lower case letters, "
            f"digits and underscores"
        )
    if plugin.__doc__ is None or plugin.__doc__ == base.__doc__:
        problems.append(f"{name} has no docstring; `fib plugins list` shows its first line")
    if inspect.isabstract(plugin):
        missing = ", ".join(sorted(plugin.__abstractmethods__))
        problems.append(f"{name} does not implement {missing}")
    methods = [] if issubclass(plugin, Reader) else [plugin.main_method]  # it reads files
    if issubclass(plugin, Trainable):
        methods.append("fit")
        unknown = plugin.apply_params - set(plugin.model_fields)
        if unknown:
            problems.append(
                f"{name}.apply_params has unknown parameters: {', '.join(sorted(unknown))}"
            )
    for method in methods:
        problems += _check_method(plugin, method)
    for field_name, field in plugin.model_fields.items():
        if not field.description:
            problems.append(f"parameter {field_name} of {name} has no description")
    problems += _check_defaults(plugin)
    return problems + plugin.class_problems()


def _check_method(plugin: type[Plugin], method: str) -> list[str]:
    try:
        given, _ = slots(plugin, method), products(plugin, method)
    except FibError as error:
        return [str(error)]
    signature = inspect.signature(getattr(plugin, method))
    problems = []
    if "context" not in signature.parameters:
        problems.append(f"{plugin.__name__}.{method} does not take `context`")
    if method == "fit" and not _returns_itself(plugin):
        problems.append(
            f"{plugin.__name__}.fit must return the plugin itself, fitted: annotate it `-> Self`"
        )
    base = _contract_of(plugin, method)
    if base is None:
        return problems
    if _names_its_inputs(base, method):
        if not given:
            problems.append(f"{plugin.__name__}.{method} has no inputs; declare its inputs")
        wanted = {}
    else:
        wanted = slots(base, method)
    for name, slot in wanted.items():
        if name not in given:
            problems.append(
                f"{plugin.__name__}.{method} does not take {name!r}, as {base.__name__} does"
            )
        elif not all(given[name].takes(product) for product in slot.accepts):
            problems.append(
                f"{plugin.__name__}.{method} takes {given[name]} as {name!r}, not {slot}, as "
                f"{base.__name__} does"
            )
    for name, slot in given.items():
        if name not in wanted and slot.required and wanted:
            problems.append(
                f"{plugin.__name__}.{method} requires {name!r}, which {base.__name__} does not; "
                f"give it a default"
            )
    result, expected = (next(iter(products(c, method).values())) for c in (plugin, base))
    if not issubclass(result.type, expected.type):
        problems.append(
            f"{plugin.__name__}.{method} returns {result}, not {expected}, as {base.__name__} does"
        )
    return problems


def _contract_of(plugin: type[Plugin], method: str) -> type[Plugin] | None:
    """Return the kind (or subclass of one) that defines the signature of a plugin's method.

    It is the nearest base class that declares the method as abstract; None if there is none.
    """
    for base in plugin.__mro__[1:]:
        if getattr(vars(base).get(method), "__isabstractmethod__", False):
            return base
    return None


def _names_its_inputs(kind: type[Plugin], method: str) -> bool:
    """Return whether a kind lets its plugins declare the inputs of a method: ``**named``."""
    parameters = inspect.signature(function_of(kind, method)).parameters.values()
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


def _returns_itself(plugin: type[Plugin]) -> bool:
    """Return whether `fit` is annotated to return the plugin (or not annotated)."""
    result = hints_of(plugin, "fit").get("return", typing.Self)
    return result is typing.Self or (isinstance(result, type) and issubclass(plugin, result))


def _check_defaults(plugin: type[Plugin]) -> list[str]:
    required = [name for name, field in plugin.model_fields.items() if field.is_required()]
    if required:
        return []  # it needs values
    try:
        made = plugin()
        again = plugin.model_validate(made.model_dump(mode="json"))
    except ValidationError:
        return []  # users may have to choose between parameters
    except Exception as error:
        return [f"{plugin.__name__}() raises {type(error).__name__}: {error}"]
    if again != made:
        return [f"parameters of {plugin.__name__} change when converted to JSON and back"]
    return []


def example_inputs(**changes: Any) -> dict[str, Any]:
    """Return small artefacts to try a plugin on: ``labels``, ``images``, ``context``.

    A 16 x 24 x 24 slab structure of gold in epoxy with 5 nm voxels, and its images at 2 kV.
    """
    import numpy as np

    from fibcore.context import Context
    from fibcore.volumes import Images, Labels

    z, y, x = np.indices((16, 24, 24))
    solid = ((x + y // 2 + z // 4) // 6) % 2
    labels = Labels(solid.astype(np.uint8), (5.0, 5.0, 5.0))
    noise = np.random.default_rng(0).normal(0, 5, solid.shape)
    grey = np.clip(60 + 120 * solid + noise, 0, 255).astype(np.uint8)
    images = Images(grey, (5.0, 5.0, 5.0), kv=(2.0,))
    return {"labels": labels, "images": images, "context": Context(seed=0)} | changes
