"""Which arm goes before the gate: chosen on validate speakers, so that test speakers are looked at once.

This is a choice, not a claim: it compares point estimates, because a bound on the few validate speakers would always
choose the base. Whether the chosen model really does no harm is decided by the gate, on test speakers, with bounds.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from evenvoice.errors import ArtifactError
from evenvoice.metrics.partitions import Partition
from evenvoice.metrics.speakers import SplitTable
from evenvoice.params import BASE


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One model as validate speakers show it; a WER is None where there was nothing to measure.

    Attributes:
        control: trained only to be compared with; never chosen.
    """

    model: str
    control: bool
    eligible: bool
    validate_bottom_wer: float | None
    validate_whole_wer: float | None
    why: str


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The challenger, and why.

    Attributes:
        method: whose bottom cohort the arms aimed at; ``bottom`` is that cohort, None where there is none.
    """

    method: str
    bottom: str | None
    challenger: str
    reason: str
    candidates: tuple[Candidate, ...]

    def to_json(self) -> dict[str, Any]:
        """Content of selection.json."""
        return asdict(self)


def choose(validate: SplitTable, partition: Partition, regression_margin: float, *,
           controls: Collection[str]) -> Selection:
    """Take the model with the lowest WER of the bottom cohort among those that do not harm the whole.

    Args:
        partition: of the method that the mitigation aimed at.
        regression_margin: relative rise of the whole's WER over the base's that is still tolerated.
        controls: models that are never chosen.

    Raises:
        ArtifactError: no speaker of the validate split said a word.
    """
    if validate.words.sum() == 0:
        raise ArtifactError(name="validate split", rule="hold words to choose the challenger by", value="none",
                            action="Give ingest.split.validate a larger share.")
    if not partition.comparable:
        return _base_only(validate, partition, controls,
                          f"{partition.method} found no two cohorts, so no arm had anyone to help")
    members_S = validate.members(partition.method, partition.bottom)
    if validate.words[members_S].sum() == 0:
        return _base_only(validate, partition, controls, f"{partition.bottom}, the bottom cohort, has no words of "
                                                         "validate speakers, so no arm can be shown to help it")
    ceiling = validate.table(BASE).wer * (1 + regression_margin)
    candidates = tuple(_candidate(validate, model, members_S, ceiling, control=model in controls)
                       for model in validate.models)
    return _best(candidates, partition)


def _base_only(validate: SplitTable, partition: Partition, controls: Collection[str], reason: str) -> Selection:
    candidates = tuple(Candidate(model=model, control=model in controls, eligible=model == BASE,
                                 validate_bottom_wer=None, validate_whole_wer=validate.table(model).wer, why=reason)
                       for model in validate.models)
    return Selection(method=partition.method, bottom=partition.bottom if partition.comparable else None,
                     challenger=BASE, reason=f"The base model stays: {reason}.", candidates=candidates)


def _candidate(validate: SplitTable, model: str, members_S: np.ndarray[Any, Any], ceiling: float, *,
               control: bool) -> Candidate:
    whole, bottom = validate.table(model).wer, validate.table(model, members_S).wer
    if control:
        eligible, why = False, "a control is never chosen"
    elif model == BASE:
        eligible, why = True, "the untouched base model"
    elif whole > ceiling:
        eligible, why = False, f"WER of the whole {whole:.2%} is above {ceiling:.2%}, what the margin tolerates"
    else:
        eligible, why = True, f"WER of the whole {whole:.2%} is within {ceiling:.2%}, what the margin tolerates"
    return Candidate(model=model, control=control, eligible=eligible, validate_bottom_wer=bottom,
                     validate_whole_wer=whole, why=why)


def _best(candidates: tuple[Candidate, ...], partition: Partition) -> Selection:
    def rank(candidate: Candidate) -> float:
        return float("inf") if candidate.validate_bottom_wer is None else candidate.validate_bottom_wer

    # min() keeps the first of equals and the base comes first: an arm must beat it, not tie
    best = min((candidate for candidate in candidates if candidate.eligible), key=rank)
    base = candidates[0]
    if best is base:
        reason = f"The base model stays: no eligible arm lowers its WER of {rank(base):.2%} on {partition.bottom}."
    else:
        reason = (f"{best.model} has the lowest WER on {partition.bottom}, {rank(best):.2%} against {rank(base):.2%} "
                  f"of the base model, on validate speakers.")
    return Selection(method=partition.method, bottom=partition.bottom, challenger=best.model, reason=reason,
                     candidates=candidates)
