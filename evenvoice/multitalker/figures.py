"""Figures of a model on test mixtures: of everybody, and of every group."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np

from evenvoice.metrics.bootstrap import Interval, Mask, SpeakerTable
from evenvoice.multitalker.resampling import Outcomes, TurnBootstrap
from evenvoice.verification.comparing import EVERYONE, Scope, scopes
from evenvoice.verification.groups import Grouping, Labels

SHARES: Final = {"p50": 0.5, "p90": 0.9}
Row = dict[str, Any]


class Figures:
    """All figures of one split, with the same resampled speakers for every model."""

    def __init__(self, bootstrap: TurnBootstrap, confidence: float) -> None:
        self._bootstrap, self._confidence = bootstrap, confidence

    def rates(self, model: str, outcomes: Outcomes, groupings: Iterable[Grouping], labels: Labels, split: str
              ) -> Iterator[Row]:
        """Rows of the TURN_RATES table.

        Word errors of a group are those that its turns are charged with. Those of everybody also hold the words that
        are charged to nobody, so that they are the ORC-WER.
        """
        members = scopes(tuple(groupings), labels, outcomes.served.speakers, split)
        for scope, members_S in members.items():
            yield {"model": model, "partition": scope[0], "group": scope[1],
                   **self._counts(outcomes, members_S), **self._rates(outcomes, members_S, scope),
                   **self._latencies(outcomes, members_S)}

    def whole(self, outcomes: Outcomes) -> Row:
        """An entry of figures.json."""
        rows, served = outcomes.mixtures, outcomes.served
        heard_M = np.array([row["heard_turns"] for row in rows], dtype=np.float64)
        said_M = np.array([row["turns"] for row in rows], dtype=np.float64)
        cp = SpeakerTable(outcomes.shared([row["cp_errors"] for row in rows]),
                          outcomes.shared([row["words"] for row in rows]))
        wrong, off = (self._rate(outcomes.per_mixture(values_M), outcomes.everyone)
                      for values_M in (heard_M != said_M, abs(heard_M - said_M)))
        exact = Interval(1 - wrong.estimate, 1 - min(1.0, wrong.high), 1 - wrong.low)
        silent_M = said_M == 0
        return {**_bounded("orc_wer", self._rate(served.orc_errors, outcomes.everyone)),
                **_bounded("cp_wer", self._rate(cp, outcomes.everyone)), **_bounded("counting_accuracy", exact),
                **_bounded("counting_error", off),
                "silent_mixtures": int(silent_M.sum()), "turns_in_silence": int(heard_M[silent_M].sum()),
                "mixtures": len(rows), "speakers": len(served.speakers), "turns": int(said_M.sum()),
                "words": int(served.words_S.sum())}

    def _rate(self, table: SpeakerTable, members_S: Mask) -> Interval:
        return self._bootstrap.rate(table, members_S, self._confidence)

    def _rates(self, outcomes: Outcomes, members_S: Mask, scope: Scope) -> Row:
        served = outcomes.served
        errors = served.orc_errors if scope == EVERYONE else served.word_errors
        return {**_bounded("wer", self._rate(errors, members_S)),
                **_bounded("cut", _share(self._rate(served.cuts, members_S))),
                **_bounded("missed", _share(self._rate(outcomes.missed, members_S)))}

    def _latencies(self, outcomes: Outcomes, members_S: Mask) -> Row:
        row: Row = {}
        for kind, values_N in (("sot", outcomes.sot_s), ("eot", outcomes.eot_s)):
            found = self._bootstrap.quantiles(values_N, outcomes.speaker, members_S, tuple(SHARES.values()))
            for name, quantile in zip(SHARES, found, strict=True):
                row |= _bounded(f"{kind}_{name}_s", quantile.interval(self._confidence))
        return row

    @staticmethod
    def _counts(outcomes: Outcomes, members_S: Mask) -> Row:
        served = outcomes.served
        return {"speakers": int(members_S.sum()), "turns": int(served.turns_S[members_S].sum()),
                "words": int(served.words_S[members_S].sum())}


def _share(found: Interval) -> Interval:
    return Interval(found.estimate, found.low, min(1.0, found.high))


def _bounded(name: str, found: Interval) -> Row:
    return {name: _known(found.estimate), f"{name}_low": _known(found.low), f"{name}_high": _known(found.high)}


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
