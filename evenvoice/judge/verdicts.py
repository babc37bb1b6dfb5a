"""From errors of speakers to cohorts and verdicts, by the same code that judges the models of a run.

Declared groups need no discovery, and beside the rest of the speakers nobody has to be ranked: then all speakers serve
the verdict. Where cohorts are searched for (places, voices), or compared with the top one, which has to be found first,
speakers are drawn apart, as in a run.

Shapes: S speakers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.cohorts import find_cohorts, load_method
from evenvoice.cohorts.description import Found, FoundEach, NotApplicable, partition_of
from evenvoice.cohorts.table import CohortTable, coordinates
from evenvoice.data.corpora.attributes import in_table
from evenvoice.data.splits import draw
from evenvoice.errors import CorpusError
from evenvoice.evaluation.rows import Compared, compare
from evenvoice.gates import Verdict, judge
from evenvoice.gates.evidence import Evidence
from evenvoice.judge.people import People
from evenvoice.judge.settings import Judging
from evenvoice.judge.tally import Tally
from evenvoice.metrics.partitions import Partition
from evenvoice.metrics.regression import regressions
from evenvoice.metrics.speakers import SplitTable
from evenvoice.params import BASE, METHODS, OWN_COLUMNS

Strings = NDArray[np.object_]
STREAM: Final = 0x6A756467
"""Keeps these random numbers apart from those that others draw from the same seed."""
SEVERITY: Final = ("PASS", "INSUFFICIENT", "FAIL")


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Files by name and SHA-256, and how what they hold was read."""

    files: Mapping[str, str]
    normaliser: str
    unit: str

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {"files": dict(self.files), "normaliser": self.normaliser, "unit": self.unit}


@dataclass(frozen=True, kw_only=True)
class Cohorts:
    """How speakers fall into cohorts.

    Attributes:
        apart: whether cohorts were found or ranked on other speakers than are judged.
        titles: partition -> its name for people.
        of: partition -> cohort of each speaker (S,).
        tested: (S,) who is judged.
        extra: partition -> what its method says of it beside its cohorts.
        declared: what became of the columns that groups are declared by; empty without any.
        kept: column -> value that the table of values does not know -> speakers.
    """

    apart: bool
    partitions: tuple[Partition, ...]
    titles: Mapping[str, str]
    of: Mapping[str, Strings]
    tested: NDArray[np.bool_]
    extra: Mapping[str, Mapping[str, Any]]
    declared: str
    kept: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What came out.

    Attributes:
        verdicts: recogniser -> what is said of it; the base's only where it is alone.
        compared: rows of the tables, the base under the name that a run's base model has.
        regression: model of the tables -> errors regressed on declared groups; empty without any.
        under: normaliser -> recogniser -> its verdict when everything is brought to one spelling by that one.
    """

    systems: tuple[str, ...]
    cohorts: Cohorts
    table: SplitTable
    compared: Compared
    regression: Mapping[str, Mapping[str, Any]]
    verdicts: Mapping[str, Verdict]
    under: Mapping[str, Mapping[str, Verdict]]

    @property
    def outcome(self) -> str:
        """The worst of the verdicts."""
        return max((verdict.verdict for verdict in self.verdicts.values()), key=SEVERITY.index)

    @property
    def depends_on_spelling(self) -> bool:
        """Whether another normaliser would have led to another verdict of any recogniser."""
        return any(verdict.verdict != self.verdicts[system].verdict
                   for verdicts in self.under.values() for system, verdict in verdicts.items())


def judge_tally(tally: Tally, people: People, settings: Judging, *, ways: Sequence[str], inputs: Inputs,
                embeddings: Mapping[str, NDArray[np.floating]] | None = None) -> Judged:
    """Find cohorts, compare and judge.

    Args:
        ways: normalisers that ``tally`` counted under; the first one decides.
        embeddings: of speakers, where clusters of voices are to be judged.

    Raises:
        CorpusError: there is nothing that could tell speakers apart, or a recogniser has the name of the base.
    """
    speakers = tally.speakers
    first, *others = tally.systems
    if BASE in others:
        raise CorpusError(name=f"recogniser {BASE!r}", rule=f"stand first, or have another name than {BASE!r}",
                          value=f"{first!r} first", action="Change the order of the columns, or rename one.")
    found = find(tally, ways[0], people, settings, embeddings)
    tables = {way: _table(tally, way, speakers, found) for way in ways}
    verdicts = {way: {system: _verdict(tables[way], found, settings, system, inputs)
                      for system in (others or [first])} for way in ways}
    compared = compare(tables[ways[0]], found.partitions, settings.evaluate,
                       np.random.default_rng([settings.seed, STREAM]))
    return Judged(systems=tally.systems, cohorts=found, table=tables[ways[0]], compared=compared,
                  regression=regressions(tables[ways[0]], found.partitions, tables[ways[0]].models),
                  verdicts=verdicts[ways[0]], under={way: verdicts[way] for way in ways[1:]})


def find(tally: Tally, way: str, people: People, settings: Judging,
         embeddings: Mapping[str, NDArray[np.floating]] | None) -> Cohorts:
    """Cohorts of the base's errors, by every method that there is something for."""
    columns = people.columns(tally.speakers)
    known = {"places": people.has_places(), "voices": bool(embeddings), "columns": bool(columns)}
    methods = {method: kind for method in METHODS if known.get(kind := load_method(method).goes_by)}
    if not methods:
        lacking = "; ".join(f"{column}: {found}" for column, found in people.left_out(tally.speakers).items())
        raise CorpusError(name="the speakers", rule="be told apart by something",
                          value=lacking or "nothing is known of them",
                          action=f"Give --speakers with columns such as {', '.join(OWN_COLUMNS)}, lat and lon, or name "
                                 "a column with --by.")
    apart = {*methods.values()} != {"columns"} or settings.gate.reference == "top"
    splits = draw(tally.speakers, settings.split.by_name(), settings.seed) if apart else {}
    table = _cohort_table(tally, way, people, columns, splits, embeddings or {})
    discover = settings.discover.model_copy(
        update={"attributes": settings.discover.attributes.model_copy(update={"columns": list(columns)})})
    partitions: dict[str, tuple[str, Found | NotApplicable]] = {}
    declared = ""
    for method in methods:
        found = find_cohorts(method, table, discover, settings.seed)
        title = load_method(method).title
        declared = found.reason if isinstance(found, FoundEach) else declared
        partitions |= found.partitions if isinstance(found, FoundEach) else {method: (title, found)}
    frozen = {name: partition_of(name, part, table) for name, (_, part) in partitions.items()}
    return Cohorts(
        apart=apart, partitions=tuple(partition for partition, _ in frozen.values()),
        titles={name: title for name, (title, _) in partitions.items()},
        of={name: np.array(labels, dtype=object) for name, (_, labels) in frozen.items()},
        tested=np.array([splits.get(speaker, "test") == "test" for speaker in tally.speakers], dtype=bool),
        extra={name: part.extra if isinstance(part, Found) else {} for name, (_, part) in partitions.items()},
        declared=declared, kept=_kept(people, columns, tally.speakers))


def _kept(people: People, columns: Sequence[str], speakers: Sequence[str]) -> dict[str, dict[str, int]]:
    """Values as they were written, since the table of values does not know them."""
    unknown = {column: Counter(value for value in people.values(column, speakers)
                               if value is not None and not in_table(column, value)) for column in columns}
    return {column: dict(sorted(counts.items())) for column, counts in unknown.items() if counts}


def _cohort_table(tally: Tally, way: str, people: People, columns: Sequence[str], splits: Mapping[str, str],
                  embeddings: Mapping[str, NDArray[np.floating]]) -> CohortTable:
    """What discovery may know: errors of no speaker who is judged, unless nothing is searched for."""
    speakers = tally.speakers
    words, errors = tally.counts(way)
    split_S = np.array([splits.get(speaker, "discover") for speaker in speakers], dtype=object)
    known_S = split_S != "test"
    lat, lon = coordinates(*zip(*map(people.place, speakers), strict=True))
    further = [column for column in columns if column not in OWN_COLUMNS]
    width = len(next(iter(embeddings.values()))) if embeddings else 0
    nothing = np.full(width, np.nan)
    own = {column: np.array(people.values(column, speakers), dtype=object) for column in OWN_COLUMNS}
    return CohortTable(
        speakers=np.array(speakers, dtype=object), splits=split_S, words=words * known_S,
        errors=errors[tally.systems[0]] * known_S, lat=lat, lon=lon,
        postal_code=np.full(len(speakers), None, dtype=object), census=np.empty((len(speakers), 0)),
        embeddings=np.array([embeddings.get(speaker, nothing) for speaker in speakers]).reshape(len(speakers), width),
        further=np.array([people.values(column, speakers) for column in further],
                         dtype=object).reshape(len(further), len(speakers)).T,
        further_columns=tuple(further), gender=own["gender"], age_band=own["age_band"], accent=own["accent"],
        country=own["country"])


def _table(tally: Tally, way: str, speakers: Sequence[str], cohorts: Cohorts) -> SplitTable:
    words, errors = tally.counts(way)
    names = (BASE, *tally.systems[1:])
    return SplitTable(split="test", speakers=np.array(speakers, dtype=object)[cohorts.tested],
                      words=words[cohorts.tested],
                      errors={name: errors[system][cohorts.tested]
                              for name, system in zip(names, tally.systems, strict=True)},
                      cohorts={name: labels[cohorts.tested] for name, labels in cohorts.of.items()})


def _verdict(table: SplitTable, cohorts: Cohorts, settings: Judging, system: str, inputs: Inputs) -> Verdict:
    challenger = system if system in table.errors else BASE
    evidence = Evidence(test=replace(table, errors={name: table.errors[name] for name in {BASE: 0, challenger: 0}}),
                        partitions=cohorts.partitions, challenger=challenger, labelled="recorded",
                        speakers_overlap=False, origins=inputs)
    return judge(evidence, settings.gate, seed=settings.seed)
