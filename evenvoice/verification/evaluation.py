"""All verifiers of a run beside each other, and which of them goes before the gate.

Calibrated on validate speakers, groups ranked on discover speakers, chosen on both, measured on test speakers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from evenvoice.data.schemas import DETECTION, GROUPED, HEARD, VERIFICATION, VERIFICATION_GAPS
from evenvoice.data.tables import rows_table, write_table
from evenvoice.errors import ArtifactError
from evenvoice.origins import model_digest
from evenvoice.params import UNWEIGHTED, WEIGHTING_CONTROLS, Evaluate, VerifierGate, Verify
from evenvoice.progress import Progress
from evenvoice.storage import fresh_directory, read_json, write_json
from evenvoice.verification.calibration import Calibration, calibrate
from evenvoice.verification.comparing import (
    EVERYONE,
    Rates,
    Scope,
    Verifier,
    as_row,
    change,
    estimate_of,
    gap_and_spread,
    rates,
    row_of,
    scopes,
)
from evenvoice.verification.detection import (
    TARGET_PRIORS,
    error_rates,
    log_likelihood_ratio_cost,
    minimum_detection_cost,
)
from evenvoice.verification.groups import LABELLED, Grouping, Labels, read_labels
from evenvoice.verification.heard import Heard, demand_same_trials, read_heard
from evenvoice.verification.resampling import PairBootstrap
from evenvoice.verification.trials import OF_SAME

STREAM: Final = 0x5E1F
"""Keeps these random numbers apart from those of other stages with the same seed."""
CONDITION: Final = "condition"
CURVE_POINTS: Final = 200
CHOICE: Final = ("discover", "validate")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What decides the figures."""

    verify: Verify
    gate: VerifierGate
    evaluate: Evaluate
    seed: int


def evaluate(*, trials: Path, models: Path, corpus: Path, embeddings: Path, out: Path, names: Sequence[str],
             settings: Settings, progress: Progress) -> None:
    """Write every table of the comparison to ``out``.

    Args:
        trials: with a directory for each of ``names``; so has ``models``.
        corpus: what is declared of speakers.
        embeddings: one of each speaker, in which groups of voices are found.
        out: directory to write.
        names: the verifiers, the unweighted one among them.
        settings: what decides the figures.
        progress: a step for each verifier and split.

    Raises:
        ArtifactError: an input is missing or broken, or they do not belong together.
        CohortError: a verifier has trials of only one kind to be calibrated on.
    """
    heard = {name: read_heard(trials / name) for name in names}
    for name, splits in heard.items():
        for split in HEARD:
            demand_same_trials(splits[split], heard[UNWEIGHTED][split], name)
    origins = _origins(trials, models, names)
    calibrations = {name: calibrate(splits["validate"].scores, splits["validate"].same, settings.verify.target_prior)
                    for name, splits in heard.items()}
    labels = read_labels(corpus=corpus, embeddings=embeddings, columns=settings.verify.columns,
                         clusters=settings.verify.clusters, seed=settings.seed)
    compared = _Compared(heard, calibrations, labels, settings)
    progress.total, progress.unit = len(names) * len(HEARD), "split"
    rows = [row for name, split in progress.over([(name, split) for split in HEARD for name in names])
            for row in compared.rows(name, split)]
    selection = choose(names, compared, settings.gate.regression_margin)
    with fresh_directory(out) as draft:
        write_table(draft / "rates.parquet", rows_table(rows, VERIFICATION))
        rows_of_labels: list[dict[str, object]] = [dict(row) for row in labels.rows()]
        write_table(draft / LABELLED, rows_table(rows_of_labels, GROUPED))
        write_table(draft / "gaps.parquet", rows_table(compared.gaps(names), VERIFICATION_GAPS))
        write_table(draft / "detection.parquet", rows_table(_curves(heard, names), DETECTION))
        write_json(draft / "groupings.json", {one.name: one.to_json() for one in compared.groupings})
        write_json(draft / "calibrations.json", {name: one.to_json() for name, one in calibrations.items()})
        write_json(draft / "figures.json", {name: _figures(heard[name]["test"], calibrations[name]) for name in names})
        write_json(draft / "selection.json", selection)
        write_json(draft / "origins.json", origins)


class _Compared:
    """Verifiers on the same trials of the same resampled speakers."""

    def __init__(self, heard: Mapping[str, Mapping[str, Heard]], calibrations: Mapping[str, Calibration],
                 labels: Labels, settings: Settings) -> None:
        self._heard, self._calibrations, self._settings = heard, calibrations, settings
        self._confidence = settings.evaluate.confidence
        self._speakers = {split: heard[UNWEIGHTED][split].speakers for split in HEARD}
        bootstraps = {split: PairBootstrap(len(self._speakers[split]),
                                           settings.evaluate.replicates if split == "test" else 0,
                                           np.random.default_rng([settings.seed, STREAM])) for split in HEARD}
        self._bootstraps = bootstraps
        self._verifiers = {(name, split): Verifier(heard[name][split], calibrations[name], bootstraps[split])
                           for name in heard for split in HEARD}
        self.groupings = tuple(self._grouping(name, labels) for name in labels.of)
        self._conditions: dict[tuple[str, str, str], Rates] = {}
        self._scopes = {split: scopes(self.groupings, labels, self._speakers[split], split) for split in HEARD}

    def rates(self, name: str, split: str, scope: Scope) -> Rates | None:
        """Rates of one verifier; None where nobody of the split is in the group."""
        members_S = self._scopes[split].get(scope)
        return None if members_S is None else self._verifiers[name, split].rates(members_S)

    def rows(self, name: str, split: str) -> list[dict[str, Any]]:
        """Rows of the VERIFICATION table: everybody, every group, and everybody under each condition."""
        tested = split == "test"
        of_groups = [(scope, self.rates(name, split, scope), self.rates(UNWEIGHTED, split, scope))
                     for scope in self._scopes[split]]
        of_conditions = [((CONDITION, condition), self._under(name, split, condition),
                          self._under(UNWEIGHTED, split, condition))
                         for condition in sorted(set(self._heard[name][split].conditions.tolist()))]
        rows = []
        for (partition, group), own, other in [*of_groups, *of_conditions]:
            assert own is not None
            assert other is not None
            changed = change(own.eer, other.eer, self._confidence) if tested and name != UNWEIGHTED else None
            relative = {"relative": None, "relative_low": None, "relative_high": None} if changed is None else {
                "relative": _known(changed.estimate), "relative_low": _known(changed.low),
                "relative_high": _known(changed.high)}
            rows.append({"model": name, "split": split, "partition": partition, "group": group,
                         **row_of(own, self._confidence, bounded=tested), **relative})
        return rows

    def gaps(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Rows of the VERIFICATION_GAPS table."""
        rows = []
        for grouping in self.groupings:
            if not grouping.comparable:
                continue
            by_name = {name: gap_and_spread(grouping, self._by_scope(name)) for name in names}
            for name, found in by_name.items():
                rows += [{"model": name, "partition": grouping.name, "groups": len(grouping.judged),
                          "bottom": grouping.bottom, "top": grouping.top,
                          **as_row(figure, apart, apart.less(by_name[UNWEIGHTED][figure]), self._confidence)}
                         for figure, apart in found.items()]
        return rows

    def bottom_cost(self, name: str) -> float:
        """Detection cost at the verifier's threshold, mean over the bottom groups and over the splits of the choice.

        Of everybody where there are no groups to compare.
        """
        scopes_of = [(one.name, one.bottom) for one in self.groupings if one.comparable] or [EVERYONE]
        costs = [self._cost(name, split, scope) for split in CHOICE for scope in scopes_of]
        return float(np.nanmean(costs))

    def whole_eer(self, name: str) -> float:
        """Mean of the equal error rates on the splits of the choice."""
        return float(np.mean([estimate_of(found.eer) for split in CHOICE
                              if (found := self.rates(name, split, EVERYONE)) is not None and found.eer is not None]))

    def _by_scope(self, name: str) -> dict[Scope, Rates]:
        return {scope: found for scope in self._scopes["test"]
                if (found := self.rates(name, "test", scope)) is not None}

    def _cost(self, name: str, split: str, scope: Scope) -> float:
        found = self.rates(name, split, scope)
        return float("nan") if found is None else _cost(found, self._settings.verify.target_prior)

    def _under(self, name: str, split: str, condition: str) -> Rates:
        """Trials of one kind under a condition, beside all trials of the other kind."""
        key = (name, split, condition)
        if key not in self._conditions:
            heard = self._heard[name][split]
            of_same = condition in OF_SAME
            kept_N = (heard.conditions == condition) | (heard.same != of_same)
            self._conditions[key] = rates(heard.kept(kept_N), self._calibrations[name], self._bootstraps[split])
        return self._conditions[key]

    def _grouping(self, name: str, labels: Labels) -> Grouping:
        """Which groups are large enough to be judged, ranked by how the unweighted verifier serves them."""
        least, split = self._settings.gate.min_speakers, "discover"
        groups = labels.groups(name)
        members = {group: labels.members(name, group, self._speakers[split], split) for group in groups}
        large = [group for group in groups if members[group].sum() >= least]
        costs = {group: _cost(self._verifiers[UNWEIGHTED, split].rates(members[group]),
                              self._settings.verify.target_prior) for group in large}
        judged = tuple(sorted((group for group in large if np.isfinite(costs[group])),
                              key=lambda group: (-costs[group], group)))
        what = f"{len(judged)} of {len(groups)} groups have at least {least} discover speakers"
        reason = "the corpus does not declare it" if not groups else what
        return Grouping(name=name, judged=judged, reason=reason,
                        aside=tuple(group for group in groups if group not in judged))


def _cost(rates: Rates, target_prior: float) -> float:
    """P miss + (1 - P) false alarm; NaN where either is unknown."""
    if rates.miss is None or rates.false_alarm is None:
        return float("nan")
    return target_prior * estimate_of(rates.miss) + (1 - target_prior) * estimate_of(rates.false_alarm)


def choose(names: Sequence[str], compared: _Compared, margin: float) -> dict[str, Any]:
    """The weighting with the lowest cost for bottom groups, of those that serve everybody as well as none does.

    A choice and no claim: it compares point estimates on discover and validate speakers. What is chosen has to pass
    the gate on test speakers.
    """
    base_cost, base_eer = compared.bottom_cost(UNWEIGHTED), compared.whole_eer(UNWEIGHTED)
    candidates: list[dict[str, Any]] = []
    for name in names:
        cost, eer = compared.bottom_cost(name), compared.whole_eer(name)
        control = name in WEIGHTING_CONTROLS
        worse = eer > base_eer * (1 + margin)
        why = ("a control" if control else "what others are compared with" if name == UNWEIGHTED
               else "worse for everybody" if worse else "no better for bottom groups" if cost >= base_cost
               else "better for bottom groups")
        candidates.append({"model": name, "control": control, "eligible": not control and not worse, "why": why,
                           "bottom_cost": cost, "whole_eer": eer})
    eligible = [one for one in candidates if one["eligible"] or one["model"] == UNWEIGHTED]
    best = min(eligible, key=lambda one: (one["bottom_cost"], one["model"] != UNWEIGHTED))
    reason = ("No weighting serves bottom groups better than none on discover and validate speakers."
              if best["model"] == UNWEIGHTED else
              f"{best['model']} costs bottom groups {100 * (1 - best['bottom_cost'] / base_cost):.1f} % less than no "
              "weighting on discover and validate speakers.")
    return {"challenger": best["model"], "reason": reason, "candidates": candidates}


def _curves(heard: Mapping[str, Mapping[str, Heard]], names: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for name in names:
        miss_T, false_alarm_T = error_rates(heard[name]["test"].scores, heard[name]["test"].same)
        # evenly along the curve: most thresholds lie where one of the rates is 0
        length_T = np.cumsum(np.abs(np.diff(miss_T, prepend=0)) + np.abs(np.diff(false_alarm_T, prepend=1)))
        places = np.unique(np.searchsorted(length_T, np.linspace(0, length_T[-1], CURVE_POINTS)))
        rows += [{"model": name, "miss": float(miss_T[place]), "false_alarm": float(false_alarm_T[place])}
                 for place in np.minimum(places, len(miss_T) - 1)]
    return rows


def _figures(heard: Heard, calibration: Calibration) -> dict[str, Any]:
    """Figures of everybody that have no interval."""
    costs = {f"min_dcf_{prior:g}": minimum_detection_cost(heard.scores, heard.same, prior) for prior in TARGET_PRIORS}
    return {**costs, "cllr": log_likelihood_ratio_cost(calibration.llr(heard.scores), heard.same)}


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _origins(trials: Path, models: Path, names: Sequence[str]) -> dict[str, Any]:
    """What the trials come from.

    Raises:
        ArtifactError: trials of another verifier, or of other features than the others.
    """
    found = {name: read_json(trials / name / "origin.json") for name in names}
    for name, origin in found.items():
        for part, wanted in (("model", model_digest(models / name)), ("features", found[UNWEIGHTED]["features"])):
            if origin.get(part) != wanted:
                raise ArtifactError(name=f"trials of {name!r}", rule=f"come from the {part} beside them",
                                    value="another one", action=f"Run the stage verify again: make run "
                                    f"DAG=train_verifier FORCE_STAGE=verify@{name}.")
    return {"features": found[UNWEIGHTED]["features"], "models": {name: one["model"] for name, one in found.items()}}
