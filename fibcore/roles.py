"""Roles of the columns of a table, declared by the code that makes the table.

    Table(
        {"depth_nm": depth, "simulated_eta": eta, "standard_error": error},
        roles={
            "depth_nm": Abscissa(caption="thickness of the overlayer"),
            "simulated_eta": Curve("eta", of="simulated", error="standard_error"),
        },
    )

Roles are not stored in the CSV file, but in the record of the step that made the table. A report
draws tables by their roles. A table without roles, such as one from a file, is shown as rows and
columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter


@dataclass(frozen=True, kw_only=True)
class Role:
    """Base of all roles.

    Attributes:
        caption: caption; default: the name of the column, without its unit.
        unit: unit as printed; default: the unit in the name of the column.
    """

    caption: str = ""
    unit: str | None = None

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Abscissa(Role):
    """The values along x.

    Attributes:
        best: position of a vertical line that marks the chosen row (the best epoch).
        drawn_from: smallest number of rows for which curves are drawn; shorter tables are shown as
            numbers.
    """

    best: float | None = field(default=None, kw_only=True)
    drawn_from: int = field(default=13, kw_only=True)
    role: Literal["abscissa"] = field(default="abscissa", kw_only=True)


@dataclass(frozen=True)
class Curve(Role):
    """A quantity over the abscissa, drawn as a line.

    Attributes:
        quantity: the quantity, with its unit as in the name of a column; curves of one quantity
            share axes. Default: the name of the column.
        of: source of the curve, if there are several (``truth``, ``validation``, ``network``).
        along: direction, if there are several (``x``, ``mean``); each has its own colour.
        dashed: whether it is drawn dashed, as a reference for others.
        scale: scale of y; ``steep``: logarithmic if the values fall by more than a factor of 50.
        error: column of its standard errors.
    """

    quantity: str = ""
    of: str = field(default="", kw_only=True)
    along: str = field(default="", kw_only=True)
    dashed: bool = field(default=False, kw_only=True)
    scale: Literal["linear", "logarithmic", "steep"] = field(default="linear", kw_only=True)
    error: str = field(default="", kw_only=True)
    role: Literal["curve"] = field(default="curve", kw_only=True)


@dataclass(frozen=True)
class Key(Role):
    """The name of the curve that a row belongs to, in a table with one row for each point."""

    role: Literal["key"] = field(default="key", kw_only=True)


@dataclass(frozen=True)
class Flag(Role):
    """True or false; points for which it is true are drawn as open symbols."""

    role: Literal["flag"] = field(default="flag", kw_only=True)


@dataclass(frozen=True)
class Figure(Role):
    """A number.

    Attributes:
        of_truth: the column with the same figure of the prediction, if this is that of the truth.
        limits: the columns with the lower and the upper end of its interval, if it has one.
    """

    of_truth: str = field(default="", kw_only=True)
    limits: tuple[str, ...] = field(default=(), kw_only=True)
    role: Literal["figure"] = field(default="figure", kw_only=True)


AnyRole = Annotated[Abscissa | Curve | Key | Flag | Figure, Field(discriminator="role")]
"""A role as stored in a record."""

_ROLES: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, AnyRole])


def roles_to_json(roles: Mapping[str, Role]) -> dict[str, dict[str, Any]]:
    """Return roles as JSON values, without default values."""
    return {name: _to_json(role) for name, role in roles.items()}


def roles_from_json(values: Mapping[str, Any]) -> dict[str, Role]:
    """Return the roles of JSON values made by `roles_to_json`."""
    return _ROLES.validate_python(dict(values))


def _to_json(role: Role) -> dict[str, Any]:
    values = {item.name: getattr(role, item.name) for item in fields(role)}
    defaults = {item.name: item.default for item in fields(role) if item.default is not MISSING}
    return {
        name: value
        for name, value in values.items()
        if name == "role" or value != defaults.get(name, MISSING)
    }
