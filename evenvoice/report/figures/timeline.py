"""What was said above what was heard, on one axis of time: a bar for every turn, in the channel that it is written to.

Words stand in the bars or beside them, as many as fit; a page that shows the picture has all of them in a table below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, Final, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextPath

from evenvoice.multitalker.turns import CHANNELS
from evenvoice.report.figures.style import INK, figure, grid, plain, svg

Row = Mapping[str, Any]
TINTS: Final = (("#d3ede9", "#0f766e"), ("#fde7c7", "#b45309"), ("#e3defa", "#6d5bd0"), ("#fbdcd3", "#c2410c"),
                ("#d9e8fb", "#1d4ed8"), ("#e6ecd2", "#4d7c0f"))
"""Fill and edge of the turns of each speaker, in turn."""
HEARD: Final = ("#f1f3f7", "#5f697d")
BOTH_SPEAK: Final = "#f4ecd9"
LANE: Final = 0.52
"""Inches from one lane to the next."""
BAR: Final = 0.86
"""Height of a bar in lanes."""
APART: Final = 0.35
"""Lanes between what was said and what was heard."""
POINTS: Final = 8.0
LEADING: Final = 1.18
LINES: Final = 3
PAD: Final = 0.05
"""Inches from the edge of a bar to its words."""
WIDTH: Final = 9.6


def timeline_figure(example: Row) -> str:
    """One mixture of examples.json."""
    lanes = {("said", channel): -float(channel) for channel in range(CHANNELS)} | {
        ("heard", channel): -float(CHANNELS + channel) - APART for channel in range(CHANNELS)}
    with figure(WIDTH, LANE * (2 * CHANNELS + APART) + 0.62) as drawing:
        axes = drawing.subplots()
        axes.set_xlim(0, example["duration_s"])
        axes.set_ylim(min(lanes.values()) - 0.55, 0.55)
        axes.set_yticks(list(lanes.values()), [f"{what}, channel {channel + 1}" for what, channel in lanes])
        axes.set_xlabel("seconds")
        axes.spines["left"].set_visible(False)
        grid(axes)
        axes.tick_params(axis="y", pad=8)
        for start, end in _overlaps(example["said"]):
            axes.axvspan(start, end, color=BOTH_SPEAK, linewidth=0, zorder=0.5)
        bars = [*_said(example), *_heard(example)]
        drawing.draw_without_rendering()  # only then is it known how wide a second is
        per_s = axes.get_window_extent().width / drawing.dpi / example["duration_s"]
        drawing.set_layout_engine("none")
        for bar in bars:
            height, (fill, edge) = lanes[bar.what, bar.channel], bar.colours
            axes.add_patch(Rectangle((bar.start, height - BAR / 2), bar.end - bar.start, BAR, facecolor=fill,
                                     edgecolor=edge, linewidth=1.1, linestyle="-" if bar.known else (0, (3, 2)),
                                     zorder=2))
            _write(axes, bar, height, _free_until(bar, bars, example["duration_s"]), per_s)
        return _labelled(drawing, example)


class Bar(NamedTuple):
    """One turn: what it shows, where, and whether both of its ends are known."""

    what: str
    channel: int
    start: float
    end: float
    text: str
    colours: tuple[str, str]
    known: bool


def _said(example: Row) -> Iterator[Bar]:
    letters = sorted({turn["speaker"] for turn in example["said"]})
    for turn in example["said"]:
        yield Bar("said", turn["channel"], turn["start_s"], turn["end_s"], f"{turn['speaker']}: {turn['text']}",
                  TINTS[letters.index(turn["speaker"]) % len(TINTS)], known=True)


def _heard(example: Row) -> Iterator[Bar]:
    """An end that was never told is drawn where the next turn of the channel begins, a start where the last ended."""
    for channel in range(CHANNELS):
        turns = [turn for turn in example["heard"] if turn["channel"] == channel]
        nothing = {"start_s": None, "end_s": None}
        for (before, turn), (_, after) in zip(pairwise([nothing, *turns]), pairwise([*turns, nothing]), strict=True):
            start = _first(turn["start_s"], before["end_s"], 0.0)
            end = max(start, _first(turn["end_s"], after["start_s"], example["duration_s"]))
            yield Bar("heard", channel, start, end, turn["text"], HEARD,
                      known=turn["start_s"] is not None and turn["end_s"] is not None)


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)


def _overlaps(said: list[Row]) -> Iterator[tuple[float, float]]:
    for place, one in enumerate(said):
        for other in said[place + 1:]:
            start, end = max(one["start_s"], other["start_s"]), min(one["end_s"], other["end_s"])
            if start < end:
                yield start, end


def _free_until(bar: Bar, bars: list[Bar], duration_s: float) -> float:
    """When the next turn of its lane begins."""
    return min((other.start for other in bars if (other.what, other.channel) == (bar.what, bar.channel)
                and other.start >= bar.end and other is not bar), default=duration_s)


def _write(axes: Axes, bar: Bar, height: float, free_until: float, inches_per_s: float) -> None:
    """The words in their bar; of a bar that is too short for any, beside it where there is room."""
    within, beside = (72 * ((until - since) * inches_per_s - 2 * PAD) for since, until in (
        (bar.start, bar.end), (bar.end, free_until)))
    lines, start = _wrapped(bar.text, within), bar.start
    if not lines or lines == [bar.text.split()[0] + " …"]:
        around = _wrapped(bar.text, beside)
        if around and not around[-1].endswith("…"):
            lines, start = around, bar.end
    axes.annotate("\n".join(map(plain, lines)), (start, height), xytext=(72 * PAD, 0), textcoords="offset points",
                  fontsize=POINTS, linespacing=LEADING, va="center", color=INK, zorder=3)


def _wrapped(text: str, points: float) -> list[str]:
    """As many words as fit into so many points and :data:`LINES`; none where not even the first does."""
    lines: list[str] = []
    words = text.split()
    while words:
        count = 0
        while count < len(words) and _width(" ".join(words[:count + 1])) <= points:
            count += 1
        if count == 0 or (len(lines) == LINES - 1 and count < len(words)):
            return _shortened(lines, words[:count], points)
        lines.append(" ".join(words[:count]))
        words = words[count:]
    return lines


def _shortened(lines: list[str], words: list[str], points: float) -> list[str]:
    """Ends what was begun with an ellipsis."""
    *whole, last = [*lines, " ".join(words)] if words else lines or [""]
    kept = last.split()
    while kept and _width(" ".join(kept) + " …") > points:
        kept.pop()
    return [*whole, " ".join(kept) + " …"] if kept else whole


def _width(text: str) -> float:
    """In points, in the font that figures are laid out with; those of a page are hardly ever wider."""
    return float(TextPath((0, 0), plain(text), size=POINTS).get_extents().width)


def _labelled(drawing: Figure, example: Row) -> str:
    return svg(drawing, f"Turns of one mixture of {example['duration_s']:.0f} seconds: {len(example['said'])} said, "
                        f"{len(example['heard'])} heard")
