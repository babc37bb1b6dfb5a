"""Which arm goes before the gate: chosen on validate and discover speakers, so that test speakers are looked at once.

This is a choice, not a claim: it compares point estimates, because a bound on the few speakers there are would always
choose the base. Whether the chosen model really does no harm is decided by the gate, on test speakers, with bounds.

Discover speakers say which arm is better than another, but not whether an arm is better than the base: the bottom
cohort was picked because the base made many errors on just these speakers. What this rule is worth beside others, on
arms of known effect: benchmarks/choice.py.

Fairness goes before cost: the amortized model is chosen where it helps the bottom cohort most, or where it saves, harms
nobody, and no arm helps.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from evenvoice.errors import ArtifactError
from evenvoice.metrics.partitions import Partition
from evenvoice.metrics.speakers import SplitTable
from evenvoice.params import BASE


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One model as the speakers of the choice show it; a WER is None where there was nothing to measure.

    Attributes:
        control: trained only to be compared with; never chosen.
        helps: whether it lowers the WER of the bottom cohort on the speakers of the choice.
        chosen_by_wer: of the bottom cohort on all speakers of the choice; the lowest of the eligible wins.
    """

    model: str
    control: bool
    eligible: bool
    helps: bool
    validate_bottom_wer: float | None
    validate_whole_wer: float | None
    chosen_by_wer: float | None
    why: str


@dataclass(frozen=True, kw_only=True)
class Saver:
    """The model that may be chosen for what it saves.

    Attributes:
        refusal: why it may not; empty where it may.
        saves: what it saves, in words.
    """

    model: str
    refusal: str
    saves: str


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
           controls: Collection[str], discover: SplitTable | None = None,
           beside: Sequence[Partition] = (), saver: Saver | None = None) -> Selection:
    """Take the model with the lowest WER of the bottom cohort among those that help it and do not harm the whole.

    An arm is eligible when it lowers the WER of the bottom cohort, on validate speakers by themselves and together with
    discover speakers, and keeps that of the whole and that of every top cohort within the margin: the gate lets nobody
    pass who levels down.

    Args:
        partition: of the method that the mitigation aimed at.
        regression_margin: relative rise over the base's WER, of the whole or of a top cohort, that is tolerated.
        controls: models that are never chosen.
        discover: discover speakers under the same models; without them validate speakers choose alone.
        beside: partitions of other methods, whose top cohorts the gate looks at too.
        saver: need not help the bottom cohort, only harm neither the whole nor a top cohort.

    Raises:
        ArtifactError: no speaker of the validate split said a word.
    """
    if validate.words.sum() == 0:
        raise ArtifactError(name="validate split", rule="hold words to choose the challenger by", value="none",
                            action="Give ingest.split.validate a larger share.")
    if not partition.comparable:
        return _nobody_to_help(validate, partition, regression_margin, controls, saver,
                               f"{partition.method} found no two cohorts, so no arm had anyone to help")
    alone = _Heard((validate,), partition)
    if alone.bottom_wer(BASE) is None:
        return _nobody_to_help(validate, partition, regression_margin, controls, saver,
                               f"{partition.bottom}, the bottom cohort, has no words of validate speakers, so no arm "
                               "can be shown to help it")
    others = tuple(other for other in beside if other.comparable and other.method != partition.method)
    together = _Heard((validate, discover) if discover is not None else (validate,), partition, others)
    candidates = tuple(_candidate(model, alone, together, regression_margin, saver, control=model in controls)
                       for model in validate.models)
    return _best(candidates, together, saver)


@dataclass(frozen=True)
class _Heard:
    """Speakers of one split or more, all under the same models."""

    tables: Sequence[SplitTable]
    partition: Partition
    beside: tuple[Partition, ...] = ()

    @property
    def who(self) -> str:
        return f"{' and '.join(table.split for table in self.tables)} speakers"

    def whole_wer(self, model: str) -> float:
        errors = sum(int(table.errors[model].sum()) for table in self.tables)
        return errors / sum(int(table.words.sum()) for table in self.tables)

    def bottom_wer(self, model: str) -> float | None:
        return self._cohort_wer(model, self.partition.method, self.partition.bottom)

    def top_wers(self, model: str) -> dict[str, float | None]:
        """Of the top cohort of each method, by its name for people."""
        return {f"{one.top}, the top cohort of the {one.method} method,": self._cohort_wer(model, one.method, one.top)
                for one in (self.partition, *self.beside)}

    def _cohort_wer(self, model: str, method: str, cohort: str) -> float | None:
        counts = [table.table(model, table.members(method, cohort)) for table in self.tables]
        words = sum(int(count.words.sum()) for count in counts)
        return sum(int(count.errors.sum()) for count in counts) / words if words else None


def _nobody_to_help(validate: SplitTable, partition: Partition, margin: float, controls: Collection[str],
                    saver: Saver | None, reason: str) -> Selection:
    """The base model stays, unless another one saves."""
    found = {model: validate.table(model).wer for model in validate.models}
    harms = saver is not None and found[saver.model] > found[BASE] * (1 + margin)
    saves = None if saver is None or saver.refusal or harms else saver
    challenger = BASE if saves is None else saves.model
    candidates = tuple(Candidate(model=model, control=model in controls, eligible=model in {BASE, challenger},
                                 helps=False, validate_bottom_wer=None, validate_whole_wer=wer, chosen_by_wer=None,
                                 why=_why_not_to_help(model, saver, reason))
                       for model, wer in found.items())
    words = (f"The base model stays: {reason}." if saves is None
             else f"{saves.model} is chosen for what it saves: {saves.saves}.")
    return Selection(method=partition.method, bottom=partition.bottom if partition.comparable else None,
                     challenger=challenger, reason=words, candidates=candidates)


def _why_not_to_help(model: str, saver: Saver | None, reason: str) -> str:
    return (saver.refusal or saver.saves) if saver is not None and model == saver.model else reason


def _candidate(model: str, alone: _Heard, together: _Heard, margin: float, saver: Saver | None, *,
               control: bool) -> Candidate:
    helps = False
    if control or model == BASE:
        eligible, why = (False, "a control is never chosen") if control else (True, "the untouched base model")
    else:
        harm, no_help = _harm(model, together, margin), _no_help(model, alone, together)
        helps = not no_help
        saves = saver is not None and model == saver.model
        refusal = harm or (saver.refusal if saves and saver is not None else no_help)
        eligible = not refusal
        why = refusal or (saver.saves if saves and saver is not None else _helps(model, together))
    return Candidate(model=model, control=control, eligible=eligible, helps=helps,
                     validate_bottom_wer=alone.bottom_wer(model), validate_whole_wer=alone.whole_wer(model),
                     chosen_by_wer=together.bottom_wer(model), why=why)


def _harm(model: str, together: _Heard, margin: float) -> str:
    """Whom a model serves worse than the margin tolerates; empty for nobody."""
    kept = {"the whole": together.whole_wer(BASE), **together.top_wers(BASE)}
    of_arm = {"the whole": together.whole_wer(model), **together.top_wers(model)}
    for of, base in kept.items():
        if (arm := of_arm[of]) is not None and base is not None and arm > base * (1 + margin):
            return (f"WER of {of} {arm:.2%} is above {base * (1 + margin):.2%}, what the margin tolerates, on "
                    f"{together.who}")
    return ""


def _no_help(model: str, alone: _Heard, together: _Heard) -> str:
    """On whom a model does not lower the WER of the bottom cohort; empty where it does on all."""
    for heard in dict.fromkeys((alone, together)):
        arm, base = heard.bottom_wer(model), heard.bottom_wer(BASE)
        assert arm is not None
        assert base is not None
        if arm >= base:
            return f"WER of the bottom cohort {arm:.2%} is not below the base model's {base:.2%} on {heard.who}"
    return ""


def _helps(model: str, together: _Heard) -> str:
    tops = ", ".join(one.top for one in (together.partition, *together.beside))
    return (f"it helps the bottom cohort, and WER of the whole ({together.whole_wer(model):.2%}) and of {tops} "
            f"stay within what the margin tolerates, on {together.who}")


def _best(candidates: tuple[Candidate, ...], heard: _Heard, saver: Saver | None) -> Selection:
    def wer(candidate: Candidate) -> float:
        assert candidate.chosen_by_wer is not None
        return candidate.chosen_by_wer

    base, partition = candidates[0], heard.partition
    # min() keeps the first of equals
    best = min((candidate for candidate in candidates if candidate.eligible and candidate is not base),
               key=lambda candidate: (not candidate.helps, wer(candidate)), default=base)
    whole = heard.whole_wer(best.model) / heard.whole_wer(BASE) - 1
    if best is base:
        reason = (f"The base model stays: no eligible arm lowers its WER of {wer(best):.2%} on {partition.bottom}, on "
                  f"{heard.who}.")
    elif best.helps:
        reason = (f"{best.model} has the lowest WER on {partition.bottom}, {wer(best):.2%} against {wer(base):.2%} "
                  f"of the base model ({wer(best) / wer(base) - 1:+.1%}), and changes that of the whole by "
                  f"{whole:+.1%}, on {heard.who}.")
    else:
        assert saver is not None
        reason = (f"{best.model} is chosen for what it saves: {saver.saves}. No arm helps {partition.bottom}, on "
                  f"{heard.who}.")
    return Selection(method=partition.method, bottom=partition.bottom, challenger=best.model, reason=reason,
                     candidates=candidates)
