"""One look for every figure: quiet axes, one accent, vector text in the page's own font."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

import matplotlib as mpl

mpl.use("svg")

from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#1d2433"
QUIET = "#8a93a5"
FAINT = "#e3e7ee"
REFERENCE = "#9aa3b5"
CHALLENGER = "#0f766e"
LIMIT = "#c2410c"
COHORT_SCALE = "YlOrBr"
_STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "evenvoice",  # equal input gives equal bytes
    "font.family": "sans-serif",
    "font.size": 10.5,
    "text.color": INK,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
}


@contextmanager
def figure(width: float, height: float) -> Iterator[Figure]:
    """A figure of ``width`` x ``height`` inches in the house style; never shown, only turned into SVG."""
    with mpl.rc_context(_STYLE):
        yield Figure(figsize=(width, height), layout="constrained")


def svg(drawing: Figure, label: str) -> str:
    """The drawing as an inline SVG element that scales with the page and reads ``label`` to screen readers."""
    buffer = io.StringIO()
    drawing.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg"):]
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'id="(?!m|p)[^"]*_\d+"', "", text)
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def plain(text: str) -> str:
    """A text of the corpus for an axis, where a dollar sign would begin a formula."""
    return text.replace("$", r"\$")


def grid(axes: Axes, axis: Literal["x", "y"] = "x") -> None:
    """Light lines behind the data along one axis."""
    axes.set_axisbelow(True)
    axes.grid(visible=True, axis=axis, color=FAINT, linewidth=0.9)
    axes.tick_params(length=0)
