"""Charts as SVG that uses the colours and fonts of the page."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, GRID = "#010203", "#010204"
"""Placeholders that are replaced by the page's colours of text and grid, light or dark."""

STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "fib",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 9,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 9,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": False,
    "axes.formatter.limits": (-4, 5),
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "legend.handlelength": 1.6,
    "legend.borderaxespad": 0.2,
    "lines.linewidth": 1.5,
    "lines.solid_capstyle": "round",
}

SIZE_IN = (4.4, 2.75)


def chart(
    draw: Callable[[Axes], None], label: str, size_in: tuple[float, float] = SIZE_IN
) -> Markup:
    """Return a chart as inline SVG.

    Args:
        draw: function that draws on the axes.
        label: description for screen readers.
        size_in: width and height in inches; on the page it fills the available width.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # ignore a matplotlibrc, which may be in the working folder
        matplotlib.rcParams.update(STYLE)
        figure = Figure(figsize=size_in, layout="constrained")
        axes = figure.add_subplot()
        draw(axes)
        text = io.StringIO()
        FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None})
    return Markup(_inline(text.getvalue(), str(Markup.escape(label))))


def _inline(svg: str, label: str) -> str:
    """Return a stand-alone SVG as an element of the page: no prolog, no metadata, page colours."""
    body = svg[svg.index("<svg") :]
    opening, body = body.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', opening)
    assert box is not None  # matplotlib always writes a viewBox
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(
        r'<g id="[^"]*"', "<g", body
    )  # the same in every chart, and nothing refers to them
    own = hashlib.sha256(svg.encode()).hexdigest()[:8]
    body = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>c{own}-", body)
    body = body.replace(INK, "currentColor").replace(GRID, "var(--grid)")
    return f'<svg class="chart" role="img" aria-label="{label}" {box.group()}>{body}'
