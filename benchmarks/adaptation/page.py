"""The text of the page with the results of the comparisons."""

from __future__ import annotations

from ..pages import EXPLANATION, front_matter

PAGE = EXPLANATION / "adaptation.md"

HEAD = front_matter(
    "Ways to adapt",
    """
This page compares the ways of the guide [Images like yours](../guide/adaptation.md) on
stacks with a known truth that is hidden from all training steps.
""",
    "adaptation",
    "hours; a stopped run resumes",
)

TWINS = """
## Towards a microscope

A segmenter is trained on Monte Carlo images of one structure and applied to a *twin*: a stack of
another structure (other ligament sizes, another solid fraction), recorded by
[`adapter/twin`](../reference/plugins.md#adapter-twin). This instrument shares neither effects nor
functional forms with [`adapter/acquisition`](../reference/plugins.md#adapter-acquisition), the
model that domain randomisation uses. Only the oracle trains on images recorded by the twin's
instrument. All ways have the same number of training steps. MP is the share of misplaced pixels
against the hidden truth, stack ends included, mean ± standard deviation over {seeds} seeds. *To
none* is the mean ratio to no adaptation (z-scores per stack).

{table}

*z-score per slice* and *batch norm* are settings of the step that segments (`normalization:
"slice"`, `batch_norm: "stack"`) and take no time. *Grey values*: the network is trained with
`normalization: "slice"`, `augment_offset: 0.4` and `augment_gain: 0.3`, which takes no time
either. *Instrument* trains on images recorded by the estimated instrument, without variation.
"""

SIMULATION = """
## Towards Monte Carlo

`examples/ml_simulation.json`: weighted projections of one structure, Monte Carlo images of
another. Distances are those of [`metric/domain_gap`](../reference/plugins.md#metric-domain_gap)
to Monte Carlo images of a third structure, which was used in no training. The floor is the distance
between two stacks of Monte Carlo images.

{distances}

A U-Net trained on either, applied to the Monte Carlo images of the third structure:

{transfer}

Labels kept: edges of the translation lie {shift:.2f} pixels from those of the labels (median;
the projection's {before_shift:.2f}), phases are inverted in {inverted} of {slices} slices.
"""
