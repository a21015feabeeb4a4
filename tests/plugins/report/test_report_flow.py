from __future__ import annotations

from itertools import combinations

from fib_plugins.report.flow import CARD, diagram

PIPELINE = {
    "gold": [], "law": [], "sem": ["gold", "law"], "unet": ["sem", "gold"], "otsu": ["sem"],
    "solid": ["unet", "sem"], "score": ["solid", "gold"], "score_otsu": ["otsu", "gold"],
}  # fmt: skip


def test_a_step_lies_right_of_what_it_reads_and_cards_do_not_overlap():
    found = diagram(PIPELINE)
    at = {card.step: card for card in found.cards}
    assert set(at) == set(PIPELINE)
    for step, sources in PIPELINE.items():
        assert all(at[source].x + CARD[0] < at[step].x for source in sources)
    for one, other in combinations(found.cards, 2):
        apart = abs(one.x - other.x) >= CARD[0] or abs(one.y - other.y) >= CARD[1]
        assert apart, (one, other)
    assert max(card.x for card in found.cards) + CARD[0] == found.width
    assert max(card.y for card in found.cards) + CARD[1] <= found.height


def test_there_is_one_edge_for_each_pair_of_steps():
    edges = {(source, target) for _, source, target in diagram(PIPELINE).edges}
    assert edges == {(source, step) for step, sources in PIPELINE.items() for source in sources}


def test_chains_are_drawn_without_crossings():
    pairs = {"a": [], "b": [], "c": [], "c2": ["c"], "b2": ["b"], "a2": ["a"]}
    found = diagram(pairs)
    left = sorted("abc", key=lambda step: next(c.y for c in found.cards if c.step == step))
    right = sorted("abc", key=lambda step: next(c.y for c in found.cards if c.step == step + "2"))
    assert left == right


def test_a_pipeline_of_no_steps_has_no_diagram():
    assert diagram({}).cards == ()
