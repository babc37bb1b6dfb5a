"""Anybody's recogniser, judged by what it wrote: no audio, no training, no run of a pipeline.

References, hypotheses, speakers and what is declared of them go in; cohorts, a verdict and a page come out, by the code
that judges the models of a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.errors import CorpusError
from evenvoice.judge.frames import rows_of
from evenvoice.judge.normalisers import NORMALISERS, Unit, normaliser, unit_of
from evenvoice.judge.page import Told
from evenvoice.judge.people import People
from evenvoice.judge.settings import Judging, read_judging
from evenvoice.judge.tally import Tally
from evenvoice.judge.utterances import Utterance, utterances_of
from evenvoice.judge.verdicts import Inputs, judge_tally
from evenvoice.judge.voices import voices_of

LOOKED_AT: Final = 1000
"""Recordings by whose script the unit is chosen."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How texts are read.

    Attributes:
        normaliser: decides; the others say whether the verdict depends on it.
        unit: None for words, or characters where most letters are of a script that puts no space between words.
    """

    normaliser: str = "evenvoice"
    unit: Unit | None = None
    others: tuple[str, ...] = field(default=NORMALISERS)

    @property
    def ways(self) -> tuple[str, ...]:
        """All of them, the deciding one first."""
        return tuple(dict.fromkeys((self.normaliser, *self.others)))


def judge_table(table: Any, *, speakers: Any = None, embeddings: Any = None, by: Sequence[str] | str | None = None,
                settings: Judging | None = None, reading: Reading | None = None) -> Told:
    """Judge what stands in an Arrow table or a pandas data frame, with the columns that a file has.

    Args:
        speakers: a table of what is known of each speaker.
        embeddings: a table of their voices: ``speaker`` and ``embedding``, a list of numbers; clusters are judged then.
        by: columns whose groups are judged; those of gender, age_band, accent and country that there are by default.
        settings: those that come with evenvoice by default.

    Raises:
        CorpusError: recordings or speakers that cannot be judged, by name.

    Example:
        ``judge_table(frame).judged.outcome`` is PASS, FAIL or INSUFFICIENT; ``evenvoice.judge.page`` has the page.
    """
    people = People(None if by is None else (by,) if isinstance(by, str) else tuple(by))
    if speakers is not None:
        people.take_rows(rows_of(speakers, "the table of speakers"))
    return judge_utterances(utterances_of(rows_of(table, "the table")), people, settings or read_judging(),
                            reading=reading or Reading(), files={},
                            embeddings=None if embeddings is None else voices_of(embeddings))


def judge_utterances(utterances: Iterable[Utterance], people: People, settings: Judging, *, reading: Reading,
                     files: dict[str, str], embeddings: Mapping[str, NDArray[np.floating]] | None = None,
                     notes: Sequence[str] = ()) -> Told:
    """Read, count, find cohorts, judge.

    Args:
        files: by name, SHA-256 of what was read.
        embeddings: of unit length, by speaker (:mod:`evenvoice.judge.voices`); clusters of them are judged then.
        notes: what a reader has to know beside what is noted here.

    Raises:
        CorpusError: recordings or speakers that cannot be judged, by name.
    """
    ways = {way: normaliser(way) for way in reading.ways}
    remaining = iter(utterances)
    first = list(islice(remaining, LOOKED_AT))
    if not first:
        raise CorpusError(name="the hypotheses", rule="be of one recording or more", value="none",
                          action="Give a file that holds some.")
    unit = reading.unit or unit_of(utterance.reference for utterance in first)
    tally = Tally(ways, unit)
    for utterance in chain(first, remaining):
        tally.add(utterance)
        if utterance.row is not None and utterance.speaker is not None:
            people.take(utterance.speaker, utterance.row)
    speakers = tally.speakers
    known = [*people.notes(speakers), *(_voiced(embeddings, speakers) if embeddings else ())]
    inputs = Inputs(files=files, normaliser=reading.normaliser, unit=unit)
    judged = judge_tally(tally, people, settings, ways=tuple(ways), inputs=inputs, embeddings=embeddings)
    chosen = ["Characters are counted: most letters are of a script that puts no space between words "
              "(--unit word counts words)."] if unit == "character" and reading.unit is None else []
    spelling = (["The verdict depends on the normaliser: see what it is under each."] if judged.depends_on_spelling
                else [])
    return Told(judged=judged, settings=settings, inputs=inputs, recordings=len(tally),
                notes=(*notes, *known, *chosen, *spelling))


def _voiced(embeddings: Mapping[str, NDArray[np.floating]], speakers: Sequence[str]) -> list[str]:
    """How many have no embedding, if that is anybody."""
    missing = [speaker for speaker in speakers if speaker not in embeddings]
    if len(missing) == len(speakers):
        raise CorpusError(name="the embeddings", rule="be of speakers of the recordings",
                          value=f"{next(iter(embeddings))!r} and {len(embeddings) - 1} more, where {missing[0]!r} "
                                f"and {len(missing) - 1} more speak",
                          action="Name speakers alike in both.")
    return [f"{len(missing)} of {len(speakers)} speakers have no embedding, so they are in no cluster."
            ] if missing else []
