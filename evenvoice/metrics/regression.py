"""What others compare by: errors of speakers regressed on all that is declared of them, and FAAS of it.

The gate looks at each column by itself. Here all columns are in one model, so that each is adjusted for the others:

    errors of a speaker ~ Poisson(words * exp(intercept + the group of each column + u)), u the speaker's own

after Liu et al. 2021 (arXiv 2109.09061) and ASR-FAIRBENCH (arXiv 2505.11572). Attributes are the speaker's, so totals
of each speaker are sufficient; how u is distributed, and why, stands in :mod:`evenvoice.metrics.mixed_poisson`. A
column's p is that of the likelihood ratio test against the model without it. It informs, and decides nothing.

Crossed columns are left out: the model has one effect for each column. A group without a single error has the rate
ratio 0, whose logarithm is minus infinity: its speakers are then certain to make none, so the likelihood is that of
everybody else, and nothing grows without end.

Shapes: S speakers, C combinations of groups (cells), K coefficients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import null_space, qr
from scipy.stats import chi2
from threadpoolctl import threadpool_limits

from evenvoice.metrics.faas import adjusted_score, category_score, faas
from evenvoice.metrics.mixed_poisson import Fit, Floats, Integers, fit_counts, rows_of
from evenvoice.metrics.partitions import Partition, columns_of, method_of
from evenvoice.metrics.speakers import SplitTable

DECLARED: Final = "attributes"
FEWEST: Final = 10
"""Speakers for each coefficient [design]: with fewer, the likelihood ratio test finds too much."""
Z: Final = 1.959964
"""Of a two-sided interval of 95 %."""
NO_ERRORS: Final = "no errors, so there is no interval"
ALIKE: Final = "has the same speakers as groups of other columns, so its part cannot be told apart"


@dataclass(frozen=True, kw_only=True)
class GroupEffect:
    """One group of a column, all other columns alike.

    Attributes:
        rate_ratio: errors per word over those of the column's reference; 1 for the reference itself, None where it
            cannot be told apart from other columns.
        rate_ratio_low, rate_ratio_high: 95 % interval, None where there is none.
        predicted_wer: WER if the speakers who are told apart were all of this group and all else stayed.
        note: why a figure is missing.
    """

    cohort: str
    speakers: int
    words: int
    rate_ratio: float | None
    rate_ratio_low: float | None
    rate_ratio_high: float | None
    predicted_wer: float | None
    note: str


@dataclass(frozen=True, kw_only=True)
class ColumnEffect:
    """One column, adjusted for all others.

    Attributes:
        reference: its largest group that made errors, of those that are judged.
        df, p: of the likelihood ratio test; p is None where other columns say all that this one does.
        score: its part in FAAS, before the test has its say.
    """

    partition: str
    reference: str
    df: int
    p: float | None
    score: float | None
    groups: tuple[GroupEffect, ...]


@dataclass(frozen=True, kw_only=True)
class Regression:
    """One model on all declared columns.

    Attributes:
        speakers: with words, and a group in every column.
        reason: why nothing was fitted; empty where something was.
        dispersion: variance of the speakers' own factors, whose mean is 1; 0 where speakers of the same groups differ
            by chance alone.
        wer: of these speakers.
    """

    speakers: int
    words: int
    wer: float | None
    reason: str
    dispersion: float | None
    faas: float | None
    columns: tuple[ColumnEffect, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        content = asdict(self)
        return {**content, "columns": [{**column, "groups": list(column["groups"])} for column in content["columns"]]}


@dataclass(frozen=True, eq=False)
class _Column:
    """Groups that anybody is in, and each speaker's (S,) by number; -1 where the speaker has none."""

    partition: str
    groups: tuple[str, ...]
    judged: frozenset[str]
    codes_S: Integers


@dataclass(frozen=True, eq=False)
class _Data:
    """Speakers who count.

    Attributes:
        coded_CG: (C, columns) the group of each cell in each column.
        silent: of each column, the groups without errors.
        references: of each column, the group that others are compared with.
    """

    columns: tuple[_Column, ...]
    coded_CG: Integers
    cells_S: Integers
    words_S: Integers
    errors_S: Integers
    silent: tuple[frozenset[int], ...]
    references: tuple[int, ...]


def declares(partition: Partition) -> bool:
    """Whether a partition is by one column of the corpus and has groups to compare."""
    return (partition.comparable and method_of(partition.method) == DECLARED
            and len(columns_of(partition.method)) == 1)


def regress(table: SplitTable, partitions: Sequence[Partition], model: str) -> Regression | None:
    """Regress the errors of one model; None where nothing is declared that could be compared."""
    columns = tuple(_column(table, partition) for partition in partitions if declares(partition))
    if not columns:
        return None
    counted_S = (table.words > 0) & np.all([column.codes_S >= 0 for column in columns], axis=0)
    words_S, errors_S = table.words[counted_S], table.errors[model][counted_S]
    words, errors = int(words_S.sum()), int(errors_S.sum())
    empty = Regression(speakers=len(words_S), words=words, wer=errors / words if words else None, reason="",
                       dispersion=None, faas=None, columns=())
    size = 1 + sum(len(column.groups) - 1 for column in columns)
    if len(words_S) < FEWEST * size:
        return replace(empty, reason=f"{len(words_S)} speakers are too few for {size} coefficients: {FEWEST} each are "
                                     "needed")
    if not errors:
        return replace(empty, reason="no errors were made")
    data = _data(tuple(_Column(column.partition, column.groups, column.judged, column.codes_S[counted_S])
                       for column in columns), words_S, errors_S)
    # narrow matrices: several threads of BLAS wait for each other longer than one computes
    with threadpool_limits(1, user_api="blas"):
        return _fitted(data, empty)


def regressions(table: SplitTable, partitions: Sequence[Partition], models: Sequence[str]) -> dict[str, Any]:
    """Of each model as plain values; empty where nothing is declared."""
    found = {model: regress(table, partitions, model) for model in dict.fromkeys(models)}
    return {model: one.to_json() for model, one in found.items() if one is not None}


def _column(table: SplitTable, partition: Partition) -> _Column:
    members = {cohort: members_S for cohort in partition.names
               if (members_S := table.members(partition.method, cohort) & (table.words > 0)).any()}
    codes_S = np.full(len(table.speakers), -1, dtype=np.int64)
    for number, members_S in enumerate(members.values()):
        codes_S[members_S] = number
    return _Column(partition.method, tuple(members), frozenset(one.cohort for one in partition.cohorts), codes_S)


def _data(columns: tuple[_Column, ...], words_S: Integers, errors_S: Integers) -> _Data:
    shape = tuple(len(column.groups) for column in columns)
    keys, cells_S = np.unique(np.ravel_multi_index(tuple(column.codes_S for column in columns), shape),
                              return_inverse=True)
    made = [np.bincount(column.codes_S, weights=errors_S, minlength=len(column.groups)) for column in columns]
    return _Data(columns, np.column_stack(np.unravel_index(keys, shape)), cells_S, words_S, errors_S,
                 silent=tuple(frozenset(np.flatnonzero(made_G == 0).tolist()) for made_G in made),
                 references=tuple(map(_reference, columns, made)))


def _reference(column: _Column, errors_G: NDArray[Any]) -> int:
    """Who is not judged stands in for those who are only where these made no errors."""
    speakers_G = np.bincount(column.codes_S, minlength=len(column.groups))
    return max(range(len(column.groups)),
               key=lambda group: (errors_G[group] > 0, column.groups[group] in column.judged, speakers_G[group]))


@dataclass(frozen=True, eq=False)
class _Model:
    """A fit by some of the columns.

    Attributes:
        effects: (column, group) -> its coefficient's place, in that order, behind the intercept; without references,
            groups without errors, and what is a sum of others.
        rank: parameters, those of groups without errors included.
        unclear: coefficients whose value other columns could take over.
        kept_S: speakers whose errors are not certain to be none.
    """

    fit: Fit
    effects: dict[tuple[int, int], int]
    rank: int
    unclear: frozenset[tuple[int, int]]
    kept_S: NDArray[np.bool_]


def _fit(data: _Data, within: Sequence[int]) -> _Model:
    """Fit by the columns of these numbers."""
    effects = [(number, group) for number in within for group in range(len(data.columns[number].groups))
               if group != data.references[number]]
    silent = {(number, group) for number in within for group in data.silent[number]}
    kept_C = ~np.any([data.coded_CG[:, number] == group for number, group in silent]
                     or [np.zeros(len(data.coded_CG), dtype=bool)], axis=0)
    wanted = [effect for effect in effects if effect not in silent]
    design_CK = _design(data, wanted)
    places, unclear = _independent(design_CK[kept_C])
    kept_S = kept_C[data.cells_S]
    fit = fit_counts(rows_of(data.cells_S[kept_S], data.words_S[kept_S], data.errors_S[kept_S]), design_CK[:, places])
    return _Model(fit, {wanted[place - 1]: number for number, place in enumerate(places) if place},
                  rank=int(np.linalg.matrix_rank(_design(data, effects))),
                  unclear=frozenset(wanted[place - 1] for place in unclear if place), kept_S=kept_S)


def _design(data: _Data, effects: Sequence[tuple[int, int]]) -> Floats:
    """(C, K) ones, and one column for each effect."""
    return np.column_stack([np.ones(len(data.coded_CG)), *(data.coded_CG[:, number] == group
                                                           for number, group in effects)])


def _independent(design_CK: Floats) -> tuple[list[int], list[int]]:
    """Columns that span the same, and columns whose coefficient is not determined.

    The first is all ones: no other is as long, so the pivoting takes it first, and it stays.
    """
    triangle, order = qr(design_CK, mode="r", pivoting=True)
    triangle = triangle[:design_CK.shape[1]]
    sizes = np.abs(np.diag(triangle))
    rank = int(np.count_nonzero(sizes > 1e-9 * sizes[0]))
    free_KN = null_space(triangle)  # columns in the order of the pivots
    return sorted(order[:rank].tolist()), sorted(order[(np.abs(free_KN) > 1e-9).any(axis=1)].tolist())


def _fitted(data: _Data, empty: Regression) -> Regression:
    numbers = range(len(data.columns))
    full = _fit(data, numbers)
    without = [_fit(data, [other for other in numbers if other != number]) for number in numbers]
    if not all(model.fit.converged for model in (full, *without)):
        return replace(empty, reason="the regression did not converge")
    columns = tuple(_column_effect(data, number, full, reduced) for number, reduced in enumerate(without))
    scores = [adjusted_score(column.score, column.p) for column in columns
              if column.score is not None and column.p is not None]
    return replace(empty, dispersion=full.fit.dispersion, columns=columns, faas=faas(scores, empty.wer or 0.0))


def _column_effect(data: _Data, number: int, full: _Model, reduced: _Model) -> ColumnEffect:
    column, df = data.columns[number], full.rank - reduced.rank
    gained = 2 * (full.fit.log_likelihood - reduced.fit.log_likelihood)
    groups = _groups(data, number, full)
    told = [group for group in groups if group.predicted_wer is not None]
    return ColumnEffect(
        partition=column.partition, reference=column.groups[data.references[number]], df=df,
        p=float(chi2.sf(max(gained, 0.0), df)) if df else None,
        score=category_score([group.predicted_wer or 0.0 for group in told], [group.words for group in told])
        if df else None, groups=groups)


def _groups(data: _Data, number: int, full: _Model) -> tuple[GroupEffect, ...]:
    column = data.columns[number]
    ratios = [_ratio(data, number, group, full) for group in range(len(column.groups))]
    level = _level(data, number, full, [ratio for ratio, _, _ in ratios])
    counts = [(int(members_S.sum()), int(data.words_S[members_S].sum()))
              for members_S in (column.codes_S == group for group in range(len(column.groups)))]
    return tuple(GroupEffect(
        cohort=cohort, speakers=speakers, words=words, rate_ratio=ratio, rate_ratio_low=low, rate_ratio_high=high,
        predicted_wer=None if ratio is None else level * ratio,
        note=ALIKE if ratio is None else NO_ERRORS if ratio == 0 else "")
        for cohort, (speakers, words), (ratio, low, high) in zip(column.groups, counts, ratios, strict=True))


def _ratio(data: _Data, number: int, group: int, full: _Model) -> tuple[float | None, float | None, float | None]:
    """With its interval."""
    effect = (number, group)
    if group == data.references[number]:
        return 1.0, None, None
    if group in data.silent[number]:
        return 0.0, None, None
    if effect in full.unclear or effect not in full.effects:
        return None, None, None
    place = full.effects[effect]
    estimate, error = full.fit.coefficients[place], np.sqrt(full.fit.covariance[place, place])
    return float(np.exp(estimate)), float(np.exp(estimate - Z * error)), float(np.exp(estimate + Z * error))


def _level(data: _Data, number: int, full: _Model, ratios: Sequence[float | None]) -> float:
    """WER of the fitted speakers if all were of the column's reference; those who are not told apart do not count."""
    log_rate_C = _design(data, list(full.effects)) @ full.fit.coefficients
    ratio_G = np.array([np.nan if ratio is None else ratio for ratio in ratios])
    told_S = full.kept_S & (ratio_G[data.columns[number].codes_S] > 0)
    words_S = data.words_S[told_S]
    rate_S = np.exp(log_rate_C[data.cells_S[told_S]]) / ratio_G[data.columns[number].codes_S[told_S]]
    return float(words_S @ rate_S / words_S.sum())
