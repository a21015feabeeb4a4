"""Diagram of the steps of a pipeline: layers from left to right, edges that avoid the cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

CARD = (164, 118)
"""Width and height of a card in px."""
GAP = (40, 20)
"""Space between layers, and between the cards of a layer."""
LANE = 18
"""Height of the lane in which an edge passes a layer."""
SWEEPS = 8

Node = tuple[str, int]
"""A step (id, its layer), or the point where an edge from it crosses a later layer."""


@dataclass(frozen=True)
class Card:
    """Position of the card of a step, px from the upper left corner."""

    step: str
    x: float
    y: float


@dataclass(frozen=True)
class Diagram:
    """Cards and edges (SVG paths with source and target steps)."""

    width: float
    height: float
    cards: tuple[Card, ...]
    edges: tuple[tuple[str, str, str], ...]


def diagram(parents: Mapping[str, Sequence[str]]) -> Diagram:
    """Return the diagram of steps.

    Args:
        parents: step -> earlier steps that it reads, in run order.
    """
    layer: dict[str, int] = {}
    for step, sources in parents.items():
        layer[step] = 1 + max((layer[source] for source in sources), default=-1)
    chains = _chains(parents, layer)
    columns: list[list[Node]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for step in parents:
        columns[layer[step]].append((step, layer[step]))
    for chain in chains:
        for node in chain[1:-1]:
            if node not in columns[node[1]]:
                columns[node[1]].append(node)
    _order(columns, chains)
    centres, height = _place(columns, layer)
    cards = tuple(
        Card(step, _left(layer[step]), centres[step, layer[step]] - CARD[1] / 2) for step in parents
    )
    edges = tuple((_path(chain, centres), chain[0][0], chain[-1][0]) for chain in chains)
    width = _left(len(columns)) - GAP[0] if columns else 0
    return Diagram(width, height, cards, edges)


def _chains(parents: Mapping[str, Sequence[str]], layer: Mapping[str, int]) -> list[list[Node]]:
    """Return the nodes along each edge, including its ends."""
    return [
        [*((source, i) for i in range(layer[source], layer[step])), (step, layer[step])]
        for step, sources in parents.items()
        for source in dict.fromkeys(sources)
    ]


def _order(columns: list[list[Node]], chains: list[list[Node]]) -> None:
    """Sort each layer by the positions of its neighbours (barycentre heuristic), back and forth.

    The order with the fewest crossings is kept.
    """
    links = {pair for chain in chains for pair in pairwise(chain)}
    before: dict[Node, list[Node]] = {}
    after: dict[Node, list[Node]] = {}
    for one, other in sorted(links):
        before.setdefault(other, []).append(one)
        after.setdefault(one, []).append(other)
    best = [list(column) for column in columns]
    for sweep in range(SWEEPS):
        neighbours = before if sweep % 2 == 0 else after
        for column in columns if sweep % 2 == 0 else reversed(columns):
            rank = _ranks(columns)
            mean = {
                node: sum(map(rank.__getitem__, near)) / len(near)
                for node in column
                if (near := neighbours.get(node))
            }
            column.sort(key=lambda node: mean.get(node, rank[node]))
        if _crossings(columns, links) < _crossings(best, links):
            best = [list(column) for column in columns]
    columns[:] = best


def _ranks(columns: list[list[Node]]) -> dict[Node, float]:
    """Return the position of each node in its layer, 0 to 1."""
    return {node: (i + 0.5) / len(column) for column in columns for i, node in enumerate(column)}


def _crossings(columns: list[list[Node]], links: set[tuple[Node, Node]]) -> int:
    rank = _ranks(columns)
    return sum(
        (rank[a] - rank[c]) * (rank[b] - rank[d]) < 0
        for (a, b), (c, d) in combinations(links, 2)
        if a[1] == c[1]
    )


def _place(columns: list[list[Node]], layer: Mapping[str, int]) -> tuple[dict[Node, float], float]:
    """Return the heights of the nodes' centres and of the diagram; layers are centred."""

    def high(node: Node) -> float:
        return CARD[1] if layer[node[0]] == node[1] else LANE

    heights = [sum(map(high, c)) + GAP[1] * (len(c) - 1) for c in columns]
    whole = max(heights, default=0)
    centres = {}
    for column, height in zip(columns, heights, strict=True):
        top = (whole - height) / 2
        for node in column:
            centres[node] = top + high(node) / 2
            top += high(node) + GAP[1]
    return centres, whole


def _left(column: int) -> float:
    return column * (CARD[0] + GAP[0])


def _path(chain: Sequence[Node], centres: Mapping[Node, float]) -> str:
    """Return an SVG path from the right side of the first card to the left side of the last."""
    x, y = _left(chain[0][1]) + CARD[0], centres[chain[0]]
    parts = [f"M{x:.0f} {y:.1f}"]
    for node in chain[1:]:
        left, at = _left(node[1]), centres[node]
        bend = (x + left) / 2
        parts.append(f"C{bend:.0f} {y:.1f} {bend:.0f} {at:.1f} {left:.0f} {at:.1f}")
        if node is not chain[-1]:
            parts.append(f"H{left + CARD[0]:.0f}")
        x, y = left + CARD[0], at
    return " ".join(parts)
