"""How each speaker was served: words, errors, turns and turns cut off, summed over what a model heard of them.

Errors of a mixture that stand in a channel without a turn of anybody belong to no turn. They are shared among the
speakers of the mixture in proportion to their words. Where nobody speaks at all there is nobody to share them.

Shapes: S speakers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evenvoice.errors import GateError
from evenvoice.metrics.bootstrap import Floats, SpeakerTable

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Served:
    """Sums by speaker, all (S,).

    Attributes:
        speakers: their names, sorted.
        errors_S: of their turns.
        shared_S: their part of the errors that belong to no turn.
        in_silence: errors in mixtures where nobody speaks.
    """

    speakers: tuple[str, ...]
    words_S: Floats
    errors_S: Floats
    shared_S: Floats
    turns_S: Floats
    cut_S: Floats
    in_silence: float

    @property
    def word_errors(self) -> SpeakerTable:
        """Errors of turns alone, by which groups are compared."""
        return SpeakerTable(self.errors_S, self.words_S)

    @property
    def orc_errors(self) -> SpeakerTable:
        """All errors; those in silence add the same to the rate of every replicate."""
        words = float(self.words_S.sum())
        per_word = self.in_silence / words if words else 0.0
        return SpeakerTable(self.errors_S + self.shared_S + per_word * self.words_S, self.words_S)

    @property
    def cuts(self) -> SpeakerTable:
        """Turns cut off, and turns."""
        return SpeakerTable(self.cut_S, self.turns_S)


def summed(turns: Iterable[Row], mixtures: Iterable[Row]) -> Served:
    """Sum up what one model heard on one split.

    Args:
        turns: rows of the SPOKEN_TURNS table.
        mixtures: rows of the MIXTURE_ERRORS table, of the same mixtures.

    Raises:
        GateError: nobody speaks, or both tables are not about the same words; the mixture is named.
    """
    found = list(turns)
    by_mixture: defaultdict[str, list[Row]] = defaultdict(list)
    for turn in found:
        by_mixture[turn["mixture"]].append(turn)
    speakers = sorted({turn["speaker"] for turn in found})
    if not speakers:
        raise GateError(name="the turns of test speakers", rule="be more than none", value="none",
                        action="Mix recordings of test speakers (mix.test), and run the stages from mix on again.")
    shared, in_silence = dict.fromkeys(speakers, 0.0), 0.0
    for mixture in mixtures:
        said = by_mixture.pop(mixture["mixture"], [])
        uncharged, words = _uncharged(mixture, said), mixture["words"]
        in_silence += 0 if words else uncharged
        for turn in said if words else ():
            shared[turn["speaker"]] += uncharged * turn["words"] / words
    if by_mixture:
        raise _apart(next(iter(by_mixture)), "no word errors of it")
    number = {speaker: place for place, speaker in enumerate(speakers)}
    of_turn = [number[turn["speaker"]] for turn in found]
    sums = {name: _by_speaker(of_turn, [float(turn[name]) for turn in found], len(speakers))
            for name in ("words", "errors", "cut")}
    return Served(speakers=tuple(speakers), words_S=sums["words"], errors_S=sums["errors"], cut_S=sums["cut"],
                  turns_S=_by_speaker(of_turn, [1.0] * len(found), len(speakers)),
                  shared_S=np.array([shared[speaker] for speaker in speakers]), in_silence=float(in_silence))


def _by_speaker(of_turn: list[int], values: list[float], speakers: int) -> Floats:
    sums: Floats = np.bincount(of_turn, values, speakers).astype(np.float64)
    return sums


def _uncharged(mixture: Row, said: list[Row]) -> int:
    """Errors that belong to none of the turns."""
    words, errors = (sum(turn[name] for turn in said) for name in ("words", "errors"))
    if words != mixture["words"] or errors > mixture["orc_errors"]:
        raise _apart(mixture["mixture"], f"{words} words with {errors} errors beside {mixture['words']} words with "
                                         f"{mixture['orc_errors']}")
    return int(mixture["orc_errors"] - errors)


def _apart(mixture: str, value: str) -> GateError:
    return GateError(name=f"turns and word errors of mixture {mixture!r}", rule="be about the same words", value=value,
                     action="Run the stage evaluate_multitalker again.")
