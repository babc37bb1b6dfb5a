"""What computing less costs: amortized models beside random gates, removed sub-blocks, narrower models, short windows.

    make bench-amortized SEEDS=2

One world, one dense base model for each seed; all trials of a seed go on from it with equally many updates, but for the
narrower models, which are trained from nothing with as many as both together. Random gates and removed sub-blocks do as
much work as the amortized model beside them. Trials run side by side, each on one core; one that was cut short is begun
again, finished ones are kept. Times are measured when nothing is left to train, each model in turns with the dense one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.bakeoff.standing import Scored, Standing, standings
from benchmarks.hardware import hardware, write_result
from benchmarks.saving.figure import saving_figure
from benchmarks.saving.plan import TITLES, Trial, matched, sweep
from benchmarks.saving.trial import MODEL, SCORES, Bench
from benchmarks.whole_runs import ROOT, options_of_runs, run_graph
from evenvoice.models.recogniser import Recogniser
from evenvoice.progress import Progress
from evenvoice.saving.timing import Timed, time_batches, time_stream
from evenvoice.storage import read_json, write_text

PROFILE = "amortized"
FIGURE = ROOT / "docs" / "amortized.svg"
STREAMED, TIMED = 24, 160
"""Validate recordings that times are measured on, one by one and 16 together."""


def main() -> None:
    """Prepare, train, score, time, compare."""
    options = _options()
    began = time.monotonic()
    for stage in ("featurize", "tokenizer"):
        run_graph(options.work, yaml.safe_load(options.values), PROFILE, until=stage)
    seeds = range(1, options.seeds + 1)
    _run([["base", "1", str(seed)] for seed in seeds], options)
    _run([["dense", "1.0", str(seed)] for seed in seeds], options)
    for phase in (sweep, matched):
        _run([[trial.way, repr(trial.amount), str(seed)] for seed in seeds for trial in phase(seed)], options)
    trials = [trial for phase in (sweep, matched) for trial in phase(1)]
    lines = standings({trial.name: _scored(trial, seeds, options.work) for trial in trials}, "dense")
    seconds = {trial.name: _timed(trial, options.work) for trial in trials if trial.way != "dense"}
    shares = {trial.name: float(np.mean([_scores(trial, seed, options.work)["share"] for seed in seeds]))
              for trial in trials}
    ways = {trial.name: trial.way for trial in trials}
    print(table(lines, shares, seconds))
    write_text(options.figure, saving_figure(lines, shares, seconds, ways))
    print(write_result("amortized", {
        "hardware": hardware(), "seeds": options.seeds, "trials_at_once": options.processes,
        "wall_s": time.monotonic() - began, "test_words": int(_scored(trials[0], seeds, options.work).words_S.sum()),
        "lines": [{**line.record(), "share": shares[line.arm], "way": ways[line.arm],
                   "stream": _plain(seconds, line.arm, "stream"), "batches": _plain(seconds, line.arm, "batches"),
                   "executed": [_scores(_named(trials, line.arm), seed, options.work)["executed_share"]
                                for seed in seeds]} for line in lines]}))


def _run(commands: Sequence[Sequence[str]], options: Any) -> None:
    with ThreadPoolExecutor(options.processes) as pool:
        for words in pool.map(lambda command: _trial(command, options.work), commands):
            print(words, flush=True)


def _trial(command: Sequence[str], work: Path) -> str:
    way, amount, seed = command
    log = work / f"seed-{seed}" / f"{way}-{amount}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with log.open("w", encoding="utf-8") as out:
        done = subprocess.run([sys.executable, "-m", "benchmarks.saving.trial", str(work), *command], cwd=ROOT,  # noqa: S603
                              env=env, stdout=out, stderr=out, check=False)
    if done.returncode:
        sys.exit(f"a trial failed; its words are in {log}")
    if way == "base":
        return f"base  seed {seed}"
    scores = _scores(Trial.parse(way, amount, seed), int(seed), work)
    return (f"{way} {amount}  seed {seed}  {100 * sum(scores['errors']) / sum(scores['words']):.2f} % WER, "
            f"{100 * scores['share']:.1f} % of the work")


def _scores(trial: Trial, seed: int, work: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_json(Trial(trial.way, trial.amount, seed).directory(work) / SCORES)
    return found


def _scored(trial: Trial, seeds: Sequence[int], work: Path) -> Scored:
    found = [_scores(trial, seed, work) for seed in seeds]
    return Scored(words_S=np.array(found[0]["words"]), errors_NS=np.array([one["errors"] for one in found]),
                  macs=float(np.mean([one["macs_per_audio_s"]["total"] for one in found])),
                  parameters=found[0]["parameters"], cpu_s=0.0, recipe="")


def _timed(trial: Trial, work: Path) -> dict[str, Timed]:
    """Of the first seed."""
    bench = Bench.open(work, 1)
    dense, other = (Recogniser.load(one.directory(work) / MODEL) for one in (Trial("dense", 1.0, 1), trial))
    speech = [bench.store.features(int(i)) for i in bench.store.indices("validate")[:TIMED]]
    progress = Progress(f"timing {trial.name}")
    return {"stream": time_stream(dense, other, speech[:STREAMED], progress),
            "batches": time_batches(dense, other, speech, progress, together=16)}


def _plain(seconds: Mapping[str, Mapping[str, Timed]], name: str, way: str) -> dict[str, float] | None:
    return asdict(seconds[name][way]) if name in seconds else None


def _named(trials: Sequence[Trial], name: str) -> Trial:
    return next(trial for trial in trials if trial.name == name)


def table(lines: Sequence[Standing], shares: Mapping[str, float],
          seconds: Mapping[str, Mapping[str, Timed]]) -> str:
    """Markdown, from most work to least within each way."""
    rows = ["| model | encoder's work | WER, mean over seeds | against dense (speakers resampled) | seeds | time in a "
            "stream | in batches |", "| --- " * 7 + "|"]
    order: dict[str, int] = {way: place for place, way in enumerate(TITLES)}
    for line in sorted(lines, key=lambda one: (order[one.arm.partition("-")[0]], -shares[one.arm])):
        change, seeds = line.change, " ".join(f"{100 * one:+.1f}" for one in line.seed_changes)
        times = [f"{100 * seconds[line.arm][way].ratio:.0f} %" if line.arm in seconds else "100 %"
                 for way in ("stream", "batches")]
        rows.append(f"| {line.arm} | {100 * shares[line.arm]:.1f} % | {100 * line.mean:.2f} % "
                    f"| {100 * change.estimate:+.1f} % ({100 * change.low:+.1f} to {100 * change.high:+.1f}) "
                    f"| {seeds} | {' | '.join(times)} |")
    return "\n".join(rows)


def _options() -> Any:
    parser = options_of_runs(__doc__, "amortized", seeds=2)
    parser.add_argument("--values", default="{}", metavar="YAML",
                        help=f"laid over profiles/{PROFILE}.yaml, e.g. '{{train: {{steps: 100}}}}'")
    parser.add_argument("--figure", type=Path, default=FIGURE)
    return parser.parse_args()


if __name__ == "__main__":
    main()
