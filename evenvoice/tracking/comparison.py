"""Challenger against today's champion on the same test speakers, by a paired bootstrap over speakers."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from evenvoice.data.tables import read_table, write_table
from evenvoice.errors import ArtifactError
from evenvoice.metrics.bootstrap import SpeakerTable, compare_models
from evenvoice.storage import sha256

SPEAKER_ERRORS: Final = pa.schema([
    pa.field("speaker", pa.string(), nullable=False),
    pa.field("words", pa.int64(), nullable=False),
    pa.field("errors", pa.int64(), nullable=False),
])
"""One row per test speaker of one registered version."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What counts as not worse."""

    margin: float
    """Relative rise of WER that is still not worse."""
    confidence: float
    """Of each of the two one-sided bounds."""
    replicates: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How the challenger's WER relates to the champion's."""

    outcome: str
    """``first``, ``not worse``, ``undecided``, ``worse`` or ``not comparable``."""
    reason: str
    champion_wer: float | None = None
    challenger_wer: float | None = None
    low: float | None = None
    """One-sided bounds of (W_challenger - W_champion) / W_champion."""
    high: float | None = None
    speakers: int = 0


FIRST: Final = Comparison(outcome="first", reason="there is no champion to compare with")


def keep_speakers(evaluation: Path, model: str, into: Path) -> str:
    """Copy a model's errors per test speaker into the private store; return the file's SHA-256.

    Raises:
        ArtifactError: the evaluation holds no test speaker of this model.
    """
    table = read_table(evaluation / "speakers.parquet")
    chosen = table.filter(pc.and_(pc.equal(table["model"], model), pc.equal(table["split"], "test")))
    if chosen.num_rows == 0:
        raise ArtifactError(name=str(evaluation / "speakers.parquet"), rule=f"hold test speakers of model {model!r}",
                            value="none", action="Run the stage `evaluate` again.")
    write_table(into, chosen.select(SPEAKER_ERRORS.names).cast(SPEAKER_ERRORS).sort_by("speaker"))
    return sha256(into)


def compare(*, champion: Path, champion_digest: str | None, challenger: Path, rules: Rules,
            schema: pa.Schema = SPEAKER_ERRORS) -> Comparison:
    """Bootstrap (W_challenger - W_champion) / W_champion over the test speakers of both.

    Two one-sided bounds decide: not worse when the upper one is at most the margin (a non-inferiority test), worse when
    the lower one exceeds it. Without the champion's own table, or
    when the two were tested on other speakers or other words, nothing is compared and the reason says why.

    Args:
        schema: of both tables; all columns but ``errors`` have to be the same in them.

    Raises:
        ArtifactError: the champion's table is not the one that was registered.
    """
    if not champion.exists() or champion_digest is None:
        return not_comparable("this machine holds no errors per speaker of the champion")
    if sha256(champion) != champion_digest:
        raise ArtifactError(name=str(champion), rule=f"have SHA-256 {champion_digest}", value=sha256(champion),
                            action="The table was altered: restore it from a backup.")
    old, new = read_table(champion, schema), read_table(challenger, schema)
    if not all(old[name].equals(new[name]) for name in schema.names if name != "errors"):
        shared = len(set(old["speaker"].to_pylist()) & set(new["speaker"].to_pylist()))
        return not_comparable(f"the champion was tested on other data ({old.num_rows} speakers, "
                               f"{new.num_rows} now, {shared} shared)")
    return _paired(old, new, rules)


def _paired(old: pa.Table, new: pa.Table, rules: Rules) -> Comparison:
    reference, model = _speaker_table(old), _speaker_table(new)
    # a two-sided interval of 2 c - 1 has one-sided bounds of confidence c
    difference = compare_models(model, reference, replicates=rules.replicates, confidence=2 * rules.confidence - 1,
                                seed=rules.seed)
    outcome = ("not worse" if difference.high <= rules.margin else "worse" if difference.low > rules.margin
               else "undecided")
    reason = (f"WER {model.wer:.2%} against the champion's {reference.wer:.2%} on the same {new.num_rows} test "
              f"speakers ({difference.low:+.1%} to {difference.high:+.1%}) is {OUTCOMES[outcome]} "
              f"(margin {rules.margin:.1%}, confidence {rules.confidence:.0%})")
    return Comparison(outcome=outcome, reason=reason, champion_wer=reference.wer, challenger_wer=model.wer,
                      low=_finite(difference.low), high=_finite(difference.high), speakers=new.num_rows)


OUTCOMES: Final = {"not worse": "not worse", "worse": "worse", "undecided": "neither shown to be worse nor not worse"}


def _speaker_table(table: pa.Table) -> SpeakerTable:
    return SpeakerTable(errors=table["errors"].to_numpy(), words=table["words"].to_numpy())


def _finite(bound: float) -> float | None:
    return bound if isfinite(bound) else None


def not_comparable(reason: str) -> Comparison:
    """Nothing can be said, and why."""
    return Comparison(outcome="not comparable", reason=reason)
