"""The text of the page with the results of the comparisons."""

from __future__ import annotations

from ..pages import EXPLANATION, front_matter

PAGE = EXPLANATION / "adaptation.md"

HEAD = front_matter(
    "Ways to adapt",
    """
How much do the ways of the guide [Images like yours](../guide/adaptation.md) help? Measured on
stacks whose truth is known but hidden from every training step.
""",
    "adaptation",
    "hours; a stopped run resumes",
)

TWINS = """
## Towards a microscope

A segmenter is trained on Monte Carlo images of one structure and applied to a *twin*: a stack of
another structure (other ligament sizes, another solid fraction), recorded by
[`adapter/twin`](../reference/plugins.md#adapter-twin). That instrument shares neither effects nor
functional forms with [`adapter/acquisition`](../reference/plugins.md#adapter-acquisition), which
is all that domain randomisation knows; only the oracle trains on images recorded by it. All ways
have the same number of training steps. MP is the share of misplaced pixels against the hidden
truth, stack ends included, mean ± standard deviation over {seeds} seeds; *to none* is the mean
ratio to no adaptation (z-scores per stack).

{table}

*z-score per slice* and *batch norm* are settings of the step that segments (`normalization:
"slice"`, `batch_norm: "stack"`) and cost nothing. *Grey values*: the network is trained with
`normalization: "slice"`, `augment_offset: 0.4` and `augment_gain: 0.3`, which costs nothing
either. *Instrument* trains on images that the estimated instrument records, without varying it.
"""

SIMULATION = """
## Towards Monte Carlo

`examples/ml_simulation.json`: weighted projections of one structure, Monte Carlo images of
another. Distances are those of [`metric/domain_gap`](../reference/plugins.md#metric-domain_gap)
to Monte Carlo images of a third structure, which nothing was trained on; the floor is what two
stacks of Monte Carlo images differ by.

{distances}

A U-Net trained on either, applied to the Monte Carlo images of the third structure:

{transfer}

Labels kept: edges of the translation lie {shift:.2f} pixels from those of the labels (median;
the projection's {before_shift:.2f}), phases are inverted in {inverted} of {slices} slices.
"""
