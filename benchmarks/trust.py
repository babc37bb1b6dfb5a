"""How far a verdict can be trusted: the whole way from discovery to verdict, where true error rates are known.

    python -m benchmarks.trust                         all worlds and sizes, some 40 minutes on two cores
    python -m benchmarks.trust --worlds limit --speakers 500 --trials 20 --out .    a first look

Tables only, no speech. A speaker says about 200 words, some many more than others. Error rates differ between speakers
by a gamma distribution around 10 %. A group of the speakers, the planted one, errs more by a factor. It is a box of the
map, it sounds a little different (embeddings), and it has an accent of its own; gender and age band have no part in it.
Cohorts are found and judged by the code and the limits of ``evenvoice judge``, in five ways:

top         places, voices and groups by three columns, beside the top cohort of each method: as in a run
rest        the same, beside everyone else
searched    places and voices, beside everyone else; no column says who is harmed
declared    groups by three columns, beside everyone else; nobody is needed for discovery, so all speakers are judged
one column  the same by the accent alone: with the fewest checks a wrong PASS is likeliest

What is true of a cohort, also of a found one that mixes planted and other speakers, is what its test speakers are
expected to err, each by the mean rate of whoever is like them, beside the expected rate of whom the gate compares it
with. A gap at the limit, within a millionth, counts against a PASS and against a FAIL. Shares of all trials:

promoted    PASS, although the true gap of a cohort that was judged reaches the limit: an error of the gate
missed      PASS, although that of the planted group is beyond it, since no judged cohort's is: an error of discovery
blocked     FAIL, although no true gap, of a cohort or of the planted group, is beyond the limit
misnamed    a cohort is said to be beyond the limit whose true gap is not, whatever the verdict
right       FAIL where a true gap is beyond the limit, PASS where none reaches it; no figure for worlds at the limit
spelling    another normaliser would have led to another verdict, as the report then says

The result goes to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.special import ndtri

from benchmarks.hardware import hardware, write_result
from benchmarks.trusting.worlds import WORLDS, Drawn, Integers, Mask, Strings, World, draw
from evenvoice.gates import Evidence, Verdict, judge
from evenvoice.judge.settings import Judging, read_judging
from evenvoice.judge.tally import Tally
from evenvoice.judge.verdicts import Cohorts, Inputs, find
from evenvoice.metrics.partitions import Partition, columns_of
from evenvoice.metrics.speakers import SplitTable
from evenvoice.params import BASE

AT: Final = 1e-6
"""A true gap that lies nearer to the limit is at the limit."""
MANY: Final = 1000
"""Speakers above which fewer trials are made, in proportion."""
CONFIDENCE: Final = 0.95
MOST_COLUMNS: Final = 3
VERDICTS: Final = ("PASS", "FAIL", "INSUFFICIENT")


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way to judge.

    Attributes:
        searched: places and voices are searched.
        columns: by how many of them groups are declared; the first one is the accent.
    """

    reference: str
    searched: bool
    columns: int


WAYS: Final[Mapping[str, Way]] = {
    "top": Way(reference="top", searched=True, columns=3), "rest": Way(reference="rest", searched=True, columns=3),
    "searched": Way(reference="rest", searched=True, columns=0),
    "declared": Way(reference="rest", searched=False, columns=3),
    "one column": Way(reference="rest", searched=False, columns=1)}


class Counted(Tally):
    """A tally whose counts are at hand."""

    def __init__(self, drawn: Drawn) -> None:
        super().__init__(dict.fromkeys(drawn.errors, str), "word")
        self._drawn, self.systems = drawn, (BASE,)

    @property
    def speakers(self) -> tuple[str, ...]:
        """In the order of their names."""
        return self._drawn.speakers

    def counts(self, way: str) -> tuple[Integers, dict[str, Integers]]:
        """Words (S,) and errors (S,) under one normaliser."""
        return self._drawn.words, {BASE: self._drawn.errors[way]}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one judgement of one world came to.

    Attributes:
        verdict: PASS, FAIL or INSUFFICIENT.
        worst: the largest true gap of a judged cohort; minus infinity where none was.
        planted: the true gap of the planted group; NaN where nobody of it was judged, or everybody.
        misnamed: a cohort is said to be beyond the limit whose true gap is not.
        spelling: another normaliser leads to another verdict.
    """

    verdict: str
    worst: float
    planted: float
    misnamed: bool
    spelling: bool

    def beyond(self, limit: float) -> bool:
        """Whether a true gap is."""
        return max(self.worst, self.planted) > limit + AT

    def reached(self, limit: float) -> bool:
        """Whether a true gap is at the limit or beyond it."""
        return max(self.worst, self.planted) >= limit - AT


def judge_world(drawn: Drawn, settings: Judging) -> dict[str, Outcome]:
    """Find cohorts and judge them, every way; what is searched is searched once."""
    found: dict[tuple[bool, int], Cohorts] = {}
    outcomes: dict[str, Outcome] = {}
    for name, way in WAYS.items():
        # what a column says has no part in the search of places and voices, so it can be left out behind it
        given = (way.searched, MOST_COLUMNS if way.searched else way.columns)
        own = settings.model_copy(update={"gate": settings.gate.model_copy(update={"reference": way.reference})})
        if given not in found:
            found[given] = _found(drawn, *given, own)
        cohorts = found[given]
        partitions = tuple(one for one in cohorts.partitions if way.columns or not columns_of(one.method))
        verdicts = [judge(_evidence(drawn, errors, cohorts, partitions), own.gate, seed=own.seed)
                    for errors in drawn.errors.values()]
        outcomes[name] = _outcome(drawn, cohorts, partitions, verdicts)
    return outcomes


def _found(drawn: Drawn, searched: bool, columns: int, settings: Judging) -> Cohorts:
    voices = dict(zip(drawn.speakers, drawn.embeddings, strict=True)) if searched else None
    return find(Counted(drawn), next(iter(drawn.errors)), drawn.people(columns, places=searched), settings, voices)


def _evidence(drawn: Drawn, errors: Integers, cohorts: Cohorts, partitions: tuple[Partition, ...]) -> Evidence:
    tested = cohorts.tested
    return Evidence(
        test=SplitTable(split="test", speakers=np.array(drawn.speakers, dtype=object)[tested],
                        words=drawn.words[tested], errors={BASE: errors[tested]},
                        cohorts={one.method: cohorts.of[one.method][tested] for one in partitions}),
        partitions=partitions, challenger=BASE, labelled="simulated", speakers_overlap=False,
        origins=Inputs(files={}, normaliser="as written", unit="word"))


def _outcome(drawn: Drawn, cohorts: Cohorts, partitions: Sequence[Partition], verdicts: Sequence[Verdict]) -> Outcome:
    decided, *others = verdicts
    true = true_gaps(drawn, partitions, cohorts.of, cohorts.tested, decided.limits["reference"],
                     [(one.method, one.cohort) for one in decided.cohorts])
    limit = decided.limits["max_gap"]
    return Outcome(
        verdict=decided.verdict, worst=max(true.values(), default=-np.inf),
        planted=_gap(drawn, drawn.planted & cohorts.tested, ~drawn.planted & cohorts.tested),
        misnamed=any(one.decision == "exceeds" and true[one.method, one.cohort] <= limit + AT
                     for one in decided.cohorts),
        spelling=any(other.verdict != decided.verdict for other in others))


def true_gaps(drawn: Drawn, partitions: Iterable[Partition], of: Mapping[str, Strings], tested_S: Mask, reference: str,
              judged: Iterable[tuple[str, str]]) -> dict[tuple[str, str], float]:
    """Of each cohort that is judged, by its partition and its name.

    Args:
        of: partition -> cohort of each speaker (S,).
        tested_S: who is judged.
        reference: top or rest.
        judged: partition and name of each cohort.
    """
    found, of_method = {}, {partition.method: partition for partition in partitions}
    for method, cohort in judged:
        labels_S = of[method]
        members_S = (labels_S == cohort) & tested_S
        others_S = (labels_S == of_method[method].top if reference == "top" else labels_S != cohort) & tested_S
        if members_S.any() and others_S.any() and not np.array_equal(members_S, others_S):
            found[method, cohort] = _gap(drawn, members_S, others_S)
    return found


def _gap(drawn: Drawn, members_S: Mask, others_S: Mask) -> float:
    expected, against = (float((drawn.words * drawn.rates)[who].sum() / drawn.words[who].sum())
                         if who.any() else np.nan for who in (members_S, others_S))
    return expected / against - 1


def wilson(count: int, trials: int) -> tuple[float, float]:
    """Interval of a share (E. B. Wilson 1927, J. Am. Stat. Assoc. 22:209)."""
    z = float(ndtri((1 + CONFIDENCE) / 2))
    middle = (count + z**2 / 2) / (trials + z**2)
    half = z * float(np.sqrt(count * (trials - count) / trials + z**2 / 4)) / (trials + z**2)
    return max(0.0, middle - half), min(1.0, middle + half)


def counted(outcomes: Sequence[Outcome], limit: float) -> dict[str, int]:
    """Trials, how many of them have a right verdict, and how many show what each column of the table says."""
    decidable = [one for one in outcomes if one.beyond(limit) == one.reached(limit)]
    return {"trials": len(outcomes), "decidable": len(decidable), **{name: sum(held) for name, held in {
        **{verdict.lower(): [one.verdict == verdict for one in outcomes] for verdict in VERDICTS},
        "promoted": [one.verdict == "PASS" and one.worst >= limit - AT for one in outcomes],
        "missed": [one.verdict == "PASS" and one.worst < limit - AT and one.planted > limit + AT for one in outcomes],
        "blocked": [one.verdict == "FAIL" and not one.beyond(limit) for one in outcomes],
        "misnamed": [one.misnamed for one in outcomes],
        "right": [one.verdict == ("FAIL" if one.beyond(limit) else "PASS") for one in decidable],
        "spelling": [one.spelling for one in outcomes]}.items()}}


def measure(world_of: World, speakers: int, trials: int, seed: int) -> list[dict[str, Any]]:
    """Judge so many worlds of one kind and size, every way: a row of the table for each way."""
    began, settings = time.process_time(), quick_settings()
    outcomes: dict[str, list[Outcome]] = {name: [] for name in WAYS}
    for trial in range(trials):
        rng = np.random.default_rng([seed, WORLDS.index(world_of), speakers, trial])
        drawn = draw(world_of, speakers, rng)
        own = settings.model_copy(update={"seed": int(rng.integers(2**31))})
        for name, outcome in judge_world(drawn, own).items():
            outcomes[name].append(outcome)
    cpu_s = round((time.process_time() - began) / trials, 2)
    return [{"world": world_of.name, "speakers": speakers, "way": name, "cpu_s_per_trial": cpu_s,
             **counted(found, settings.gate.max_gap)} for name, found in outcomes.items()]


def trials_at(speakers: int, trials: int) -> int:
    """Fewer where each takes longer."""
    return max(1, round(trials * min(1, MANY / speakers)))


def quick_settings() -> Judging:
    """Those of ``evenvoice judge``, without refits of k-means that no verdict depends on."""
    return read_judging(changes=("discover.clusters.stability_runs=2",))


BRIEF: Final = ("pass", "fail", "insufficient", "spelling")
"""Columns without an interval."""
WIDE: Final = 19
COLUMNS: Final = ("pass", "fail", "insufficient", "promoted", "missed", "blocked", "misnamed", "right", "spelling")
HEADER: Final = (f"{'world':<16}{'speakers':>9} {'way':<11}{'trials':>7}"
                 + "".join(f"{name[:8]:>{9 if name in BRIEF else WIDE}}" for name in COLUMNS))


def line(row: Mapping[str, Any]) -> str:
    """A row of the table that is printed, in per cent."""
    return f"{row['world']:<16}{row['speakers']:>9} {row['way']:<11}{row['trials']:>7}" + "".join(
        _cell(row[name], row["decidable" if name == "right" else "trials"], brief=name in BRIEF) for name in COLUMNS)


def _cell(count: int, trials: int, *, brief: bool) -> str:
    if not trials:
        return f"{'-':>{WIDE}}"
    low, high = wilson(count, trials)
    share = 100 * count / trials
    return f"{share:>9.0f}" if brief else f"{share:.1f} ({100 * low:.1f}-{100 * high:.1f})".rjust(WIDE)


def together(rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """A row for each world and way: all sizes."""
    for name, way in dict.fromkeys((row["world"], row["way"]) for row in rows):
        own = [row for row in rows if (row["world"], row["way"]) == (name, way)]
        yield {"world": name, "speakers": "all", "way": way,
               **{figure: sum(row[figure] for row in own) for figure in ("trials", "decidable", *COLUMNS)}}


def main(argv: Sequence[str] | None = None) -> Path:
    """Judge every kind of world, print and keep the figures; returns where they were written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200,
                        help=f"worlds of each kind and size; above {MANY} speakers fewer, in proportion")
    parser.add_argument("--speakers", type=int, nargs="+", default=[200, 500, 1000, 3000],
                        help="of discover, validate and test together")
    parser.add_argument("--worlds", nargs="+", default=[one.name for one in WORLDS],
                        choices=[one.name for one in WORLDS])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--out", type=Path, help="write to this folder instead of benchmarks/results")
    options = parser.parse_args(argv)
    settings, machine = quick_settings(), {**hardware(), "load_at_start": os.getloadavg()[0]}
    rows: list[dict[str, Any]] = []
    print(HEADER, flush=True)
    with ProcessPoolExecutor(options.jobs) as pool:
        waiting = [pool.submit(measure, one, speakers, trials_at(speakers, options.trials), options.seed)
                   for one in WORLDS if one.name in options.worlds for speakers in sorted(options.speakers)]
        for future in waiting:
            rows += (found := future.result())
            print(*map(line, found), sep="\n", flush=True)
    everything = list(together(rows))
    print(HEADER, *map(line, everything), sep="\n", flush=True)
    path = write_result("gate-trust", {
        "hardware": machine, "seed": options.seed, "trials": options.trials,
        "settings": json.loads(settings.model_dump_json(by_alias=True)), "worlds": [asdict(one) for one in WORLDS],
        "ways": {name: asdict(way) for name, way in WAYS.items()}, "rows": rows + everything}, options.out)
    print(path)
    return path


if __name__ == "__main__":
    main()
