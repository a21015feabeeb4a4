"""Approximate Bayesian computation of the family and the parameters of a structure.

Candidates are drawn over the ranges of each family first, then around those that came nearest, in
the families that came near (population Monte Carlo: Beaumont, Cornuet, Marin, Robert, Biometrika 96
(2009) 983). Solid fractions are made exactly, and sizes are matched analytically.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from fib_plugins.generators.resembling.candidates import (
    PRIOR,
    Candidate,
    Place,
    Trial,
    Yardstick,
    moved,
    scatter_of,
)
from fib_plugins.generators.resembling.families import FAMILIES
from fib_plugins.generators.resembling.observed import Observed
from fibcore import Context, FibError

FIRST_SHARE = 0.45
"""Share of the candidates that are drawn over the whole ranges."""
REPLICATES = (5, 3)
"""Further structures of the best candidates of the best two families, to learn the scatter."""
FIRST_SCATTER = 0.03
"""Scatter of all statistics, before it is known."""
ROUNDS = 2
INDEPENDENT = 10.0
"""Number of independent ones among the statistics, about: exponent of the weights."""
NARROWEST, WIDEST = 0.08, 0.3
"""Bandwidths of draws around candidates, as shares of the ranges."""
SLOPES = 0.3
"""Standard deviation of slopes of the logarithm of diameter over size that is expected: ridge."""
FEWEST = 3
"""The distance of a family is the mean over so many of its nearest candidates."""
MOST_FAMILIES = 3
"""Families that are refined."""


@dataclass
class Search:
    """The candidates of all families.

    Attributes:
        target: what they are compared with.
        first: those of the first round, and further ones of later rounds: to draw from.
        replicates: further structures of the same places.
        proposals: of each later round: number of candidates, and the mixtures they were drawn from.
        failures: family -> why it cannot be.
    """

    target: Observed
    candidates: list[Candidate] = field(default_factory=list)
    replicates: list[Candidate] = field(default_factory=list)
    drawn: dict[str, list[tuple[int, list[tuple[Place, float]], float]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    failures: dict[str, str] = field(default_factory=dict)
    yardstick: Yardstick = field(init=False)

    def __post_init__(self) -> None:
        scatter = dict.fromkeys(self.target.values, FIRST_SCATTER)
        self.yardstick = Yardstick(self.target, scatter)

    def of(self, family: str) -> list[Candidate]:
        """Return the candidates of a family, without replicates."""
        return [each for each in self.candidates if each.place.family == family]

    @property
    def families(self) -> list[str]:
        """Names of the families that have candidates, the nearest first."""
        names = dict.fromkeys(each.place.family for each in self.candidates)
        return sorted(names, key=self.distance)

    def distance(self, family: str) -> float:
        """Return the distance of a family: the mean of its nearest candidates."""
        all_ = [c for c in self.candidates + self.replicates if c.place.family == family]
        return float(np.mean(sorted(map(self.yardstick.distance, all_))[:FEWEST]))

    def probabilities(self) -> dict[str, float]:
        """Return the probability of each family."""
        names = self.families
        squares = np.array([self.distance(name) ** 2 for name in names])
        chances = np.exp(-0.5 * INDEPENDENT * (squares - squares.min()))
        return dict(zip(names, (chances / chances.sum()).tolist(), strict=True))

    def weights(self, family: str) -> list[float]:
        """Return the weight of each candidate of a family; their sum is 1.

        It is a Gaussian of the distance, over the density of all draws together (multiple
        importance sampling): that of the prior, uniform over variants and ranges, and those of
        later rounds.
        """
        own = self.of(family)
        squares = np.array([self.yardstick.distance(each) ** 2 for each in own])
        near = np.exp(-0.5 * INDEPENDENT * (squares - squares.min()))
        later = sum(number for number, _, _ in self.drawn[family])
        densities = np.full(len(own), (len(own) - later) / len(self.variants(family)))
        for number, mixture, width in self.drawn[family]:
            for place, weight in mixture:
                at = [number * weight * _kernel(each.place, place, width) for each in own]
                densities += np.array(at)
        found = near / densities
        return (found / found.sum()).tolist()

    def variants(self, family: str) -> list[str]:
        """Return the variants of a family that have candidates."""
        return sorted({each.place.variant for each in self.of(family)})

    def bandwidth(self, family: str) -> float:
        """Return the width of draws around candidates: that of their weighted spread."""
        own, weights = self.of(family), np.array(self.weights(family))
        shares = np.array([each.place.shares for each in own])
        if shares.shape[1] == 0:
            return 0.0
        mean = weights @ shares
        spread = math.sqrt(float((weights @ (shares - mean) ** 2).mean()))
        return min(max(spread, NARROWEST), WIDEST)

    def size_nm(self, place: Place, fallback_nm: float = math.nan) -> float:
        """Return the size at which a place has the ligament diameter of the target.

        Its logarithm over that diameter is regressed on the parameters, over the candidates of the
        same variant; see `slopes`.
        """
        same = [c for c in self.candidates + self.replicates if c.place.group == place.group]
        if not same:
            return fallback_nm
        slopes = self.slopes(place.family)
        own = np.array([c.log_relative - slopes @ c.place.shares for c in same])
        near = np.array([self.yardstick.distance(c) ** 2 for c in same])
        weights = np.exp(-0.5 * (near - near.min())) + 0.02
        relative = float(weights @ own / weights.sum() + slopes @ place.shares)
        return math.exp(self.target.values[PRIOR] - relative)

    def slopes(self, family: str) -> np.ndarray:
        """Return the slopes of the logarithm of ligament diameter over size on the parameters."""
        count = len(FAMILIES[family].ranges)
        own = [c for c in self.candidates + self.replicates if c.place.family == family]
        if count == 0 or len(own) <= count + 2:
            return np.zeros(count)
        shares = np.array([c.place.shares for c in own])
        values = np.array([c.log_relative for c in own])
        for variant in {c.place.variant for c in own}:
            inside = np.array([c.place.variant == variant for c in own])
            shares[inside] -= shares[inside].mean(axis=0)
            values[inside] -= values[inside].mean()
        squares, products = shares.T @ shares, shares.T @ values
        first = np.linalg.solve(squares + 0.01 * np.eye(count), products)
        noise = float(np.var(values - shares @ first))
        return np.linalg.solve(squares + (noise / SLOPES**2 + 0.01) * np.eye(count), products)


def searched(
    target: Observed, families: Sequence[str], candidates: int, context: Context
) -> Search:
    """Return candidates of families that were compared with the target.

    Args:
        target: statistics of the labels.
        families: names of the families.
        candidates: about how many structures are made.
        context: seed, threads, progress.

    Raises:
        FibError: no family can have such a structure.
    """
    search, trial = Search(target), Trial(target, context)
    rng = context.rng_for("places")
    total, done = candidates, 0

    def advance() -> None:
        nonlocal done
        done += 1
        context.progress(min(done, total), total, "trying structures")

    for place in _first_places(target, families, candidates, rng):
        _try(search, trial, place)
        advance()
    if not search.candidates:
        reasons = "; ".join(f"{name}: {why}" for name, why in search.failures.items())
        raise FibError(
            f"no structure of the families {', '.join(families)} is possible with a solid fraction "
            f"of {target.fraction:.3g} in boxes of {target.shape} voxels ({reasons}). Allow more "
            f"families, or give a larger volume"
        )
    groups = []
    for family, count in zip(search.families, REPLICATES, strict=False):
        best = min(search.of(family), key=search.yardstick.distance)
        group = []
        for _ in range(count):
            found = _tried(trial, search, best.place)
            group += [] if found is None else [found]
            advance()
        search.replicates += group
        groups.append(group)
    search.yardstick = Yardstick(target, scatter_of([group for group in groups if group] or [[]]))
    for round_ in range(ROUNDS):
        left = max(0, candidates - done) // (ROUNDS - round_)
        for family, count in _shared(search, left):
            _refine(search, trial, family, count, rng, advance)
    context.progress(total, total, "trying structures")
    return search


def _first_places(
    target: Observed, families: Sequence[str], candidates: int, rng: np.random.Generator
) -> Iterator[Place]:
    """Yield places over the ranges of all variants that are possible, stratified along each."""
    groups = [
        (name, variant)
        for name in families
        for variant in FAMILIES[name].variants
        if FAMILIES[name].possible(target.fraction, variant)
    ]
    wanted = [1 + len(FAMILIES[name].ranges) for name, _ in groups]
    scale = FIRST_SHARE * candidates / max(1, sum(wanted))
    for (name, variant), number in zip(groups, wanted, strict=True):
        count = max(1, round(number * scale))
        axes = [(rng.permutation(count) + rng.random(count)) / count for _ in FAMILIES[name].ranges]
        for i in range(count):
            yield Place(name, variant, tuple(float(axis[i]) for axis in axes))


def _try(search: Search, trial: Trial, place: Place) -> None:
    found = _tried(trial, search, place)
    if found is not None:
        search.candidates.append(found)


def _tried(trial: Trial, search: Search, place: Place) -> Candidate | None:
    """Return a candidate; None, with the reason noted, if its generator cannot make it."""
    try:
        size = search.size_nm(place)
        return trial(place, trial.first_size(place) if math.isnan(size) else size)
    except FibError as error:
        search.failures.setdefault(place.family, str(error))
        return None


def _shared(search: Search, candidates: int) -> list[tuple[str, int]]:
    """Return how many candidates each of the families in reach gets."""
    chances = search.probabilities()
    names = search.families[:MOST_FAMILIES]
    names = [name for i, name in enumerate(names) if i == 0 or chances[name] > 1e-3]
    shares = np.sqrt([chances[name] for name in names])
    counts = np.floor(candidates * shares / shares.sum()).astype(int)
    return list(zip(names, counts.tolist(), strict=True))


def _refine(
    search: Search,
    trial: Trial,
    family: str,
    count: int,
    rng: np.random.Generator,
    advance: object,
) -> None:
    """Draw candidates around those of a family, by their weights."""
    own, weights = search.of(family), search.weights(family)
    width = search.bandwidth(family)
    mixture = [(each.place, weight) for each, weight in zip(own, weights, strict=True)]
    made = 0
    for _ in range(count):
        place = own[rng.choice(len(own), p=weights)].place
        shares = np.asarray(place.shares) + width * rng.standard_normal(len(place.shares))
        before = len(search.candidates)
        _try(search, trial, moved(place, shares))
        made += len(search.candidates) - before
        if callable(advance):
            advance()
    if made:
        search.drawn[family].append((made, mixture, width))


def _kernel(place: Place, other: Place, width: float) -> float:
    """Return the density of draws around a place at another one of the same family."""
    if place.variant != other.variant:
        return 0.0
    if not place.shares:
        return 1.0
    here = np.asarray(place.shares)
    there = np.asarray(other.shares)
    images = [here, -here, 2 - here]  # reflected at the ends of the ranges
    along = sum(np.exp(-0.5 * ((image - there) / width) ** 2) for image in images)
    return float(np.prod(along / (width * math.sqrt(2 * math.pi))))
