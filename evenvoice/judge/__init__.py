"""Anybody's recogniser, judged by what it wrote: no audio, no training, no run of a pipeline.

References, hypotheses, speakers and what is declared of them go in; cohorts, a verdict and a page come out, by the code
that judges the models of a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.errors import CorpusError
from evenvoice.judge.normalisers import NORMALISERS, Unit, normaliser, unit_of
from evenvoice.judge.page import Told
from evenvoice.judge.people import People
from evenvoice.judge.settings import Judging
from evenvoice.judge.tally import Tally
from evenvoice.judge.utterances import Utterance
from evenvoice.judge.verdicts import Inputs, judge_tally

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


def judge_utterances(utterances: Iterable[Utterance], people: People, settings: Judging, *, reading: Reading,
                     files: dict[str, str], embeddings: dict[str, NDArray[np.floating]] | None = None,
                     notes: Sequence[str] = ()) -> Told:
    """Read, count, find cohorts, judge.

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
    inputs = Inputs(files=files, normaliser=reading.normaliser, unit=unit)
    judged = judge_tally(tally, people, settings, ways=tuple(ways), inputs=inputs, embeddings=embeddings)
    chosen = ["Characters are counted: most letters are of a script that puts no space between words "
              "(--unit word counts words)."] if unit == "character" and reading.unit is None else []
    spelling = (["The verdict depends on the normaliser: see what it is under each."] if judged.depends_on_spelling
                else [])
    return Told(judged=judged, settings=settings, inputs=inputs, recordings=len(tally),
                notes=(*notes, *chosen, *spelling))
