"""What came in, in plain words: lines for the report from the summary that ingest wrote of the corpus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from evenvoice.metrics.publication import Row

MARKUP: Final = {
    "refuse": "transcripts that hold markup; their recordings were refused",
    "drop": "transcripts held markup, which was taken away",
    "keep": "transcripts hold markup, which is trained on and scored as words",
}
"""By ``ingest.markup``."""


def arrivals(corpus: Row, minimum: int) -> tuple[tuple[str, str], ...]:
    """Pairs of a figure and what it counts; only what has something to say.

    Args:
        corpus: summary.json of the corpus.
        minimum: the box around fewer speakers is not shown, nor a value that fewer have.
    """
    return (*_counted(corpus), *_markup(corpus), *_census(corpus), *_box(corpus, minimum), *_kept(corpus, minimum))


def _counted(corpus: Row) -> Iterator[tuple[str, str]]:
    words = {
        "speaker_spellings_merged": "spellings of speakers' names were brought to one of the same speaker: they "
                                    "differ only in spaces, invisible characters or Unicode form",
        "scaled_recordings": "recordings went beyond full scale and were made quieter as a whole",
    }
    for name, meaning in words.items():
        if corpus.get(name):
            yield _count(corpus[name]), meaning
    unnamed = corpus.get("unnamed_audio")
    if unnamed and unnamed["count"]:
        yield _count(unnamed["count"]), "audio files lie in the corpus's folder, but no table of it names them"


def _markup(corpus: Row) -> Iterator[tuple[str, str]]:
    markup = corpus.get("markup")
    if markup and markup["recordings"]:
        frequent = sorted(markup["kinds"].items(), key=lambda item: (-item[1], item[0]))
        kinds = ", ".join(f"{kind} {_count(times)}" for kind, times in frequent)
        yield _count(markup["recordings"]), f"{MARKUP[markup['policy']]}: {kinds}"


def _census(corpus: Row) -> Iterator[tuple[str, str]]:
    census = corpus.get("census")
    if census:
        yield (f"{_count(census['matched'])} of {_count(census['speakers'])}",
               f"speakers have a postal code that the census of {_count(census['rows'])} codes knows; "
               f"{_count(census['with_code'])} have any, and {100 * census['share_without_match']:.1f} % have no "
               "census statistics")


def _box(corpus: Row, minimum: int) -> Iterator[tuple[str, str]]:
    box = corpus.get("coordinates")
    if box and box["speakers"] >= max(minimum, 1):
        yield (_count(box["speakers"]),
               f"speakers have coordinates, all between latitudes {box['south']}° and {box['north']}° and longitudes "
               f"{box['west']}° and {box['east']}° (whole degrees, rounded outwards)")


def _kept(corpus: Row, minimum: int) -> Iterator[tuple[str, str]]:
    """Values of rare words may tell who someone is, so those are only counted."""
    for column, counts in corpus.get("attributes", {}).get("kept_as_written", {}).items():
        shown = {value: count for value, count in counts.items() if count >= minimum}
        frequent = sorted(shown.items(), key=lambda one: (-one[1], one[0]))
        parts = [f"{value!r} {_count(speakers)}" for value, speakers in frequent]
        if few := len(counts) - len(shown):
            parts.append(f"{few} {'values' if few > 1 else 'value'} of fewer than {minimum} speakers each")
        yield (_count(sum(counts.values())),
               f"speakers have a value of {column} that the table of values does not know, kept as it was written: "
               f"{', '.join(parts)}")


def _count(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ")
