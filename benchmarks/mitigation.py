"""Which arm of mitigation heals most for least: the bottom cohort against everyone, over the settings of each arm.

Each seed is prepared once by the pipeline's own stages, up to discovery. Every arm is then trained from the same base
model at each value of its setting, and every control, by the stages too, and test speakers are heard. Nothing is chosen
by them: the whole curve is reported, and what fine-tuning does at equal gain stands beside each point. Trials run side
by side, one core each; what is done is kept, and a benchmark that was cut short goes on where it stopped.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.bakeoff.corpus import Corpus
from benchmarks.hardware import hardware, write_result
from benchmarks.pareto.changes import CONFIDENCE, REPLICATES, Standing, standings
from benchmarks.pareto.figure import pareto_figure
from benchmarks.pareto.goal import answer
from benchmarks.pareto.plan import Point, points
from benchmarks.pareto.table import markdown, seed_record, seeds_markdown, standing_record
from benchmarks.pareto.trial import Study
from benchmarks.whole_runs import ROOT
from evenvoice.errors import EvenvoiceError
from evenvoice.params import ARMS
from evenvoice.progress import Progress
from evenvoice.storage import write_text

FIGURE = ROOT / "docs" / "mitigation.svg"


def main() -> None:
    """Measure every corpus, print its tables and the answer, write result and figure."""
    options = _options()
    began, machine = time.monotonic(), {**hardware(), "load_at_start": os.getloadavg()[0]}
    seeds, measured, panels = range(1, options.seeds + 1), {}, {}
    for corpus in options.corpus:
        study = Study(corpus=corpus, work=options.work, values={})
        plan = points(study.settled, options.arms)
        try:
            work_off(study, plan, seeds, options.processes)
            record, lines = report(study, plan, seeds)
        except EvenvoiceError as error:
            sys.exit(f"{type(error).__name__}: {error}")
        measured[corpus.name] = record
        if lines:
            panels[corpus.name] = lines
    if panels:
        note = f"{datetime.now(UTC):%Y-%m-%d}: up to {options.seeds} seeds, test speakers, controls grey; crosses are "
        write_text(options.figure, pareto_figure(panels, f"{note}{CONFIDENCE:.0%} intervals on the Pareto front"))
        print(options.figure)
    print(write_result("mitigation", {"hardware": machine, "trials_at_once": options.processes,
                                      "wall_s": time.monotonic() - began, "confidence": CONFIDENCE,
                                      "replicates": REPLICATES, "corpora": measured}, options.out))


def work_off(study: Study, plan: Sequence[Point], seeds: Sequence[int], processes: int) -> None:
    """Prepare all seeds and train all points that are not done, ``processes`` at a time.

    Whatever waits for something was submitted after it, so it never waits for work that cannot begin.

    Raises:
        EvenvoiceError: a stage failed; what had begun beside it is finished first.
    """
    progress = Progress(f"mitigation {study.corpus.name}", total=len(seeds) * (1 + len(plan)), unit="trial")
    progress.resume_at(sum(study.is_trained(seed, point) for seed in seeds for point in plan))
    with ThreadPoolExecutor(processes) as pool:
        prepared = {seed: pool.submit(study.prepare, seed) for seed in seeds}
        jobs: dict[Future[None], str] = {job: f"seed {seed}: prepared" for seed, job in prepared.items()}
        for seed in seeds:
            trained: dict[Point, Future[None]] = {}
            for point in sorted(plan, key=lambda one: one.made_from(plan) is not None):
                if not study.is_trained(seed, point):
                    origin = point.made_from(plan)
                    before = [prepared[seed], *([trained[origin]] if origin in trained else [])]
                    trained[point] = pool.submit(_train, study, seed, point, plan, before)
                    jobs[trained[point]] = f"seed {seed}: {point.arm} {point.said}".rstrip()
        for job in as_completed(jobs):
            if job.exception() is not None:
                pool.shutdown(cancel_futures=True)
            job.result()
            progress.note(jobs[job])
            progress.advance()


def _train(study: Study, seed: int, point: Point, plan: Sequence[Point], before: Sequence[Future[None]]) -> None:
    for job in before:
        job.result()
    study.train(seed, point, plan)


def report(study: Study, plan: Sequence[Point], seeds: Sequence[int]) -> tuple[dict[str, Any], list[Standing]]:
    """Print what one corpus says; the same for the result, and for the figure."""
    heard = [study.heard(seed, plan) for seed in seeds]
    lines = standings(heard, plan)
    found = answer(lines, study.settled["gate"]["regression_margin"])
    print(f"\n{study.corpus.name}: arms aim at the bottom cohort of {study.method}\n\n{seeds_markdown(heard)}\n\n"
          f"{markdown(lines)}\n\n{found.sentence}\n", flush=True)
    return {"profile": study.corpus.profile, "method": study.method, "seeds": [seed_record(seed) for seed in heard],
            "points": [standing_record(line) for line in lines], "answer": asdict(found)}, lines


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", nargs="+", type=Corpus.parse, default=[Corpus.parse("synthetic")], metavar="NAME",
                        help="synthetic, or profile=path of recorded speech, e.g. accents=corpora/real")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=ARMS, metavar="ARM", help="only these arms")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="trials at once, one core each")
    parser.add_argument("--work", type=Path, default=ROOT / ".evenvoice" / "pareto", help="where trials are kept")
    parser.add_argument("--figure", type=Path, default=FIGURE)
    parser.add_argument("--out", type=Path, help="write the result to this folder instead of benchmarks/results")
    options = parser.parse_args()
    options.work = options.work.resolve()
    return options


if __name__ == "__main__":
    main()
