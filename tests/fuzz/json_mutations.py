"""JSON documents changed at random, with regard to what they are made of."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

Random = np.random.Generator
Place = tuple[Any, Any]
"""A list or object, and the index or key of one of its members."""

NUMBERS = (
    0, -1, 1, 2, 3, 255, 256, 2**15, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 0.0, -0.0,
    0.5, 1e-300, 5e-324, 1e30, 1e308, -1e308, 1.0000000001,
)  # fmt: skip
TEXTS = (
    "", " ", "a", "µ", "\u202e", "\x00", "\ud800", "\x1b[31m", "../../x", "/etc/passwd",
    "/dev/zero", "**", "*", "[", "[/b]",
    "{0}", "%s", "a" * 300, "x" * 60_000, "NaN", "1e400", "null", "gold",
    "segmenter/unet", "kind/name/more", "materiał", "\n", "Au", "epoxy", "😀", "a.tif", ".", "..",
    "~", "C:\\x", "a\\b", "-1", "0x10", "1_000", "\u0661",
)  # fmt: skip
OTHERS: tuple[Any, ...] = (None, True, False, [], {}, [[]], [None], {"": 0}, {"a": {"b": []}})
TEXTUAL = (
    ("0", "NaN"), ("1", "Infinity"), ("2", "-Infinity"), ("3", "1e400"), ("4", "9" * 400),
    ("5", "0123"), ("{", "[" * 3000), ("}", "}}"), (",", ",,"), (":", ""), ('"', "'"), ('"', ""),
    (" ", "\x00"), ("a", "\\ud834"), ("e", "\\u0000"), ("\n", "// x\n"), ("{", '{"a":' * 2000),
)  # fmt: skip


def changed(document: Any, random: Random) -> Any:
    """Return a document with one to four changes of structure, names or values."""
    document = copy.deepcopy(document)
    for _ in range(int(random.choice([1, 1, 1, 1, 2, 4]))):
        places = list(_places(document))
        if not places:
            return document
        if random.random() < 0.6:  # mostly a value, which is where most can be wrong
            places = [(h, k) for h, k in places if not isinstance(h[k], (dict, list))] or places
        _change(*places[int(random.integers(len(places)))], places, random)
    return document


def written(document: Any, random: Random) -> bytes:
    """Return the bytes of a document; in one case out of eight they are damaged as text, too."""
    text = json.dumps(document, indent=int(random.integers(0, 3)))
    kind = random.random()
    if kind > 0.125:
        return text.encode("ascii")
    if kind < 0.02:
        coding = ["utf-16", "utf-32", "utf-8-sig", "cp037"][int(random.integers(4))]
        return text.encode(coding)
    if kind < 0.05:
        return text[: int(random.integers(len(text) + 1))].encode()
    if kind < 0.07:
        data = bytearray(text.encode())
        for place in random.integers(0, max(len(data), 1), 3):
            data[place : place + 1] = random.bytes(1)
        return bytes(data)
    old, new = TEXTUAL[int(random.integers(len(TEXTUAL)))]
    where = [place for place in range(len(text)) if text.startswith(old, place)]
    if where:
        place = where[int(random.integers(len(where)))]
        text = text[:place] + new + text[place + len(old) :]
    return text.encode("utf-8", "surrogatepass")


def _places(value: Any) -> Iterator[Place]:
    members: Any = value.items() if isinstance(value, dict) else enumerate(value)
    for key, member in list(members):
        yield value, key
        if isinstance(member, (dict, list)):
            yield from _places(member)


def _change(holder: Any, key: Any, places: list[Place], random: Random) -> None:
    if key not in holder if isinstance(holder, dict) else key >= len(holder):
        return  # an earlier change has taken it away
    value = holder[key]
    match int(random.integers(12)):
        case 0:
            del holder[key]
        case 1:
            holder[key] = copy.deepcopy(OTHERS[int(random.integers(len(OTHERS)))])
        case 2:
            holder[key] = NUMBERS[int(random.integers(len(NUMBERS)))]
        case 3:
            holder[key] = TEXTS[int(random.integers(len(TEXTS)))]
        case 4 if isinstance(holder, dict):
            name = _renamed(str(key), random)
            holder[name] = holder.pop(key)
        case 5:
            other, there = places[int(random.integers(len(places)))]
            if there in other if isinstance(other, dict) else there < len(other):
                holder[key] = copy.deepcopy(other[there])
        case 6:
            for _ in range(int(random.choice([1, 2, 30, 60]))):
                value = [value] if random.random() < 0.7 else {"a": value}
            holder[key] = value
        case 7 if isinstance(value, list) and value:
            holder[key] = value * int(random.choice([0, 2, 50]))
        case 8 if isinstance(holder, list):
            holder.insert(int(random.integers(len(holder) + 1)), copy.deepcopy(value))
        case 9 if isinstance(holder, list):
            holder.reverse()
        case _ if isinstance(value, bool) or value is None:
            holder[key] = str(value)
        case _ if isinstance(value, (int, float)):
            holder[key] = _number(value, random)
        case _ if isinstance(value, str):
            holder[key] = _renamed(value, random)
        case _:
            holder[key] = None


def _number(value: float, random: Random) -> Any:
    ways = [
        -value, value + 1, value - 1, value * 10, value / 10, float(value), int(value), str(value),
        value * 1e9, [value], value + 0.5,
    ]  # fmt: skip
    return ways[int(random.integers(len(ways)))]


def _renamed(text: str, random: Random) -> str:
    place = int(random.integers(len(text) + 1))
    other = TEXTS[int(random.integers(len(TEXTS)))]
    ways = [
        text[:place] + text[place + 1 :], text[:place] + other + text[place:], text.upper(),
        text[::-1], text + " ", other, text * 2, text[:place] + "_" + text[place:],
    ]  # fmt: skip
    return ways[int(random.integers(len(ways)))]
