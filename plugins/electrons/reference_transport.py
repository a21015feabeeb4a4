"""The loop of `reference`: one electron after the other, in double precision.

Lengths in nm, energies in eV, z downwards from the imaged face at z = 0.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fib_plugins.compiled import compiled

ABSORBED, BACKSCATTERED, TRANSMITTED = 0, 1, 2


class Grid(NamedTuple):
    """Boxes of material on a rectilinear grid, periodic in x and y.

    Attributes:
        phases: (z, y, x) integers, index of a medium; plane 0 is at the face.
        z, y, x: positions of the boundaries, nm, one more than boxes; may be infinite. An
            infinite last plane is of one medium.
    """

    phases: np.ndarray
    z: np.ndarray
    y: np.ndarray
    x: np.ndarray


class Media(NamedTuple):
    """Scattering and energy loss in materials, on grids fine enough for linear interpolation.

    Attributes:
        energy_ev: (e,) evenly spaced in log E.
        stopping: (medium, e) energy loss, eV/nm.
        collisions: (medium, element, e) collisions per nm with each element of the medium.
        node_ev: (n,) energies of the angular distributions, evenly spaced in log E.
        mu: (m,) rising from 0 to 1; mu = (1 - cos theta) / 2.
        cumulative: (medium, element, n, m) cumulative distributions of mu.
    """

    energy_ev: np.ndarray
    stopping: np.ndarray
    collisions: np.ndarray
    node_ev: np.ndarray
    mu: np.ndarray
    cumulative: np.ndarray


class Rule(NamedTuple):
    """How energy is lost along a flight.

    Attributes:
        where: where the stopping power is evaluated: 0 the start, 0.5 half-way.
        most_loss: largest fraction of the energy that one flight may lose; a longer one ends there
            without a collision.
    """

    where: float
    most_loss: float


class Electrons(NamedTuple):
    """How electrons ended, one entry each.

    Attributes:
        fate: `ABSORBED`, `BACKSCATTERED` or `TRANSMITTED` (down into endless vacuum).
        energy_ev: energy at the end.
        direction: (n, 3) last direction (x, y, z).
        position_nm: (n, 3) last position (x, y, z).
        max_depth_nm: deepest point reached.
        collisions: number of elastic collisions.
    """

    fate: np.ndarray
    energy_ev: np.ndarray
    direction: np.ndarray
    position_nm: np.ndarray
    max_depth_nm: np.ndarray
    collisions: np.ndarray

    @property
    def escaped(self) -> np.ndarray:
        """Which ones were backscattered."""
        return np.asarray(self.fate == BACKSCATTERED)

    @property
    def eta(self) -> float:
        """Backscatter coefficient."""
        return float(self.escaped.mean())

    @property
    def standard_error(self) -> float:
        """Standard error of `eta`, of a binomial count."""
        return math.sqrt(self.eta * (1.0 - self.eta) / len(self.fate))

    @property
    def exit_cosine(self) -> np.ndarray:
        """Cosine of the polar angle to the face's normal, of the backscattered ones."""
        return np.asarray(-self.direction[self.escaped, 2])


@compiled
def follow(
    rng: np.random.Generator,
    beam_ev: float,
    beam: np.ndarray,
    cutoff_ev: float,
    rule: Rule,
    grid: Grid,
    media: Media,
    found: Electrons,
) -> None:
    """Follow as many electrons as `found` has entries, and store there how each ends."""
    energies = media.energy_ev
    for n in range(len(found.fate)):
        x, y, z = start(rng, grid.x), start(rng, grid.y), 0.0
        k, j, i = box_of(x, grid.x), box_of(y, grid.y), 0
        u, v, w = beam
        energy = beam_ev
        while True:
            medium = grid.phases[i, j, k]
            spot = place(energy, energies)
            rate = 0.0
            for element in range(media.collisions.shape[1]):
                rate += at(spot, media.collisions[medium, element])
            loss = at(spot, media.stopping[medium])

            # a flight ends at a collision, at a boundary, or where it has lost enough
            flight = -math.log(1.0 - rng.random()) / rate if rate > 0.0 else math.inf
            collides, crosses = True, -1
            if loss > 0.0 and flight > rule.most_loss * energy / loss:
                flight, collides = rule.most_loss * energy / loss, False
            ways = (way(x, u, k, grid.x), way(y, v, j, grid.y), way(z, w, i, grid.z))
            for axis in range(3):
                if ways[axis] < flight:
                    flight, collides, crosses = ways[axis], False, axis
            if rate == 0.0 and loss == 0.0 and ways[2] == math.inf:  # into endless vacuum
                found.fate[n] = TRANSMITTED
                break

            there = max(energy - rule.where * flight * loss, energies[0])
            energy -= flight * at(place(there, energies), media.stopping[medium])
            x, y, z = x + u * flight, y + v * flight, z + w * flight
            found.max_depth_nm[n] = max(found.max_depth_nm[n], z)
            if energy <= cutoff_ev:
                found.fate[n] = ABSORBED
                break

            if collides:
                element = atom(rng, place(energy, energies), media.collisions[medium])
                cumulative = media.cumulative[medium, element]
                mu = scatter(rng, energy, media.node_ev, media.mu, cumulative)
                u, v, w = turn(u, v, w, 1.0 - 2.0 * mu, 2.0 * math.pi * rng.random())
                found.collisions[n] += 1
            elif crosses == 0:
                k, x = next_box(k, u, grid.x)
            elif crosses == 1:
                j, y = next_box(j, v, grid.y)
            elif crosses == 2:
                z = grid.z[i + 1] if w > 0.0 else grid.z[i]
                i += 1 if w > 0.0 else -1
                if i < 0 or i == len(grid.phases):
                    found.fate[n] = BACKSCATTERED if i < 0 else TRANSMITTED
                    break
        found.energy_ev[n] = energy
        found.direction[n] = u, v, w
        found.position_nm[n] = x, y, z


@compiled
def start(rng: np.random.Generator, edges: np.ndarray) -> float:
    """Return a position, evenly distributed over a period; 0 where there is none."""
    if edges[0] == -math.inf:
        return 0.0
    return edges[0] + rng.random() * (edges[-1] - edges[0])


@compiled
def box_of(position: float, edges: np.ndarray) -> int:
    """Return the number of the box that a position is in."""
    return min(int(np.searchsorted(edges, position, side="right")) - 1, len(edges) - 2)


@compiled
def way(position: float, cosine: float, box: int, edges: np.ndarray) -> float:
    """Return the path length to the boundary of the box along one axis."""
    if cosine > 0.0:
        return max((edges[box + 1] - position) / cosine, 0.0)
    if cosine < 0.0:
        return max((edges[box] - position) / cosine, 0.0)
    return math.inf


@compiled
def next_box(box: int, cosine: float, edges: np.ndarray) -> tuple[int, float]:
    """Return the next box along a periodic axis and the position at its boundary."""
    boxes = len(edges) - 1
    if cosine > 0.0:
        box = (box + 1) % boxes
        return box, edges[box]
    box = (box - 1) % boxes
    return box, edges[box + 1]


@compiled
def place(energy: float, grid: np.ndarray) -> tuple[int, float]:
    """Return the index below an energy in a grid uniform in log E, and the fraction beyond it."""
    last = len(grid) - 1
    steps = last * math.log(energy / grid[0]) / math.log(grid[last] / grid[0])
    below = min(max(int(steps), 0), last - 1)
    return below, min(max(steps - below, 0.0), 1.0)


@compiled
def at(spot: tuple[int, float], values: np.ndarray) -> float:
    """Interpolate linearly in log E at a result of `place`."""
    below, fraction = spot
    return (1.0 - fraction) * values[below] + fraction * values[below + 1]


@compiled
def atom(rng: np.random.Generator, spot: tuple[int, float], rates: np.ndarray) -> int:
    """Draw the element that an electron collides with, in proportion to collisions per nm."""
    total = 0.0
    for element in range(len(rates)):
        total += at(spot, rates[element])
    left = rng.random() * total
    for element in range(len(rates)):
        left -= at(spot, rates[element])
        if left < 0.0:
            return element
    return 0


@compiled
def scatter(
    rng: np.random.Generator,
    energy: float,
    nodes: np.ndarray,
    mu: np.ndarray,
    cumulative: np.ndarray,
) -> float:
    """Draw mu = (1 - cos theta) / 2 by inverting the cumulative distribution.

    Between two energies of the grid one of their distributions is drawn.
    """
    node, fraction = place(energy, nodes)
    if rng.random() < fraction:
        node += 1
    chance = rng.random()
    above = int(np.searchsorted(cumulative[node], chance, side="right"))
    above = min(max(above, 1), len(mu) - 1)
    low, high = cumulative[node, above - 1], cumulative[node, above]
    part = min((chance - low) / (high - low), 1.0) if high > low else 0.0
    return mu[above - 1] + part * (mu[above] - mu[above - 1])


@compiled
def turn(u: float, v: float, w: float, cosine: float, azimuth: float) -> tuple[float, float, float]:
    """Return a direction rotated by a polar angle, at an azimuth about itself."""
    sine = math.sqrt(max(0.0, 1.0 - cosine * cosine))
    a, b = sine * math.cos(azimuth), sine * math.sin(azimuth)
    across = math.sqrt(u * u + v * v)
    if across < 1e-9:
        u, v, w = a, b, cosine * w
    else:
        u, v, w = (
            u * cosine + (a * u * w - b * v) / across,
            v * cosine + (a * v * w + b * u) / across,
            w * cosine - a * across,
        )
    length = math.sqrt(u * u + v * v + w * w)
    return u / length, v / length, w / length
