"""What the columns of a table are, declared by whoever makes it.

    Table(
        {"depth_nm": depth, "simulated_eta": eta, "standard_error": error},
        roles={
            "depth_nm": Abscissa(caption="thickness of the overlayer"),
            "simulated_eta": Curve("eta", of="simulated", error="standard_error"),
        },
    )

Roles are no part of the CSV file. They are kept in the record of the step that made the table, and
a report draws by them. A table without roles, from a file say, is shown as rows and columns.
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
        caption: name in words; default: that of the column, without its unit.
        unit: as printed; default: that in the column's name.
    """

    caption: str = ""
    unit: str | None = None

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Abscissa(Role):
    """Runs along x.

    Attributes:
        best: where a vertical line is drawn, for the row that was chosen (the best epoch).
        drawn_from: rows from which on the curves are drawn; shorter tables are read as numbers.
    """

    best: float | None = field(default=None, kw_only=True)
    drawn_from: int = field(default=13, kw_only=True)
    role: Literal["abscissa"] = field(default="abscissa", kw_only=True)


@dataclass(frozen=True)
class Curve(Role):
    """A quantity over the abscissa, drawn as a line.

    Attributes:
        quantity: what is measured, with its unit as in a column's name; curves of one quantity
            share axes. Default: the column's name.
        of: whose it is, where there are several (``truth``, ``validation``, ``network``).
        along: direction, where there are several (``x``, ``mean``); each has its colour.
        dashed: drawn dashed, as what others are compared with.
        scale: of y; ``steep``: logarithmic where the values fall by more than a factor of 50.
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
    """Names the curve that a row is on, in a table with one row per point."""

    role: Literal["key"] = field(default="key", kw_only=True)


@dataclass(frozen=True)
class Flag(Role):
    """True or false: points for which it is true are drawn as open symbols."""

    role: Literal["flag"] = field(default="flag", kw_only=True)


@dataclass(frozen=True)
class Figure(Role):
    """A number to be read.

    Attributes:
        of_truth: the column that it is the same figure of, but of the truth.
    """

    of_truth: str = field(default="", kw_only=True)
    role: Literal["figure"] = field(default="figure", kw_only=True)


AnyRole = Annotated[Abscissa | Curve | Key | Flag | Figure, Field(discriminator="role")]
"""A role as a record keeps it."""

_ROLES: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, AnyRole])


def roles_to_json(roles: Mapping[str, Role]) -> dict[str, dict[str, Any]]:
    """Return roles as JSON values, without what is at its default."""
    return {name: _to_json(role) for name, role in roles.items()}


def roles_from_json(values: Mapping[str, Any]) -> dict[str, Role]:
    """Return the roles that `roles_to_json` returned as JSON values."""
    return _ROLES.validate_python(dict(values))


def _to_json(role: Role) -> dict[str, Any]:
    values = {item.name: getattr(role, item.name) for item in fields(role)}
    defaults = {item.name: item.default for item in fields(role) if item.default is not MISSING}
    return {
        name: value
        for name, value in values.items()
        if name == "role" or value != defaults.get(name, MISSING)
    }
