"""Which encoder: five families and two ablations, trained alike on synthetic speech and on real digits.

    python -m benchmarks.model_bakeoff --arms lstm=adamw:0.002,0.004 transformer=muon:0.004,0.008,0.016

Held equal: data order, tokenizer, updates, zero look-ahead, frame rate, predictor, joiner, loss, and parameters within
3 %. Every arm is tried with its optimiser at several learning rates with one seed, judged by validation speakers; the
best is repeated over seeds, and only then are test speakers heard. Trials run side by side, each on one core; a
bake-off that was cut short goes on where it stopped.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.bakeoff.corpus import ROOT, Corpus, prepare
from benchmarks.bakeoff.figure import bakeoff_figure
from benchmarks.bakeoff.plan import ARMS, Arm, Recipe, Trial, repetitions, tuning
from benchmarks.bakeoff.standing import Scored, Standing, markdown, standings
from benchmarks.hardware import hardware, write_result
from evenvoice.storage import read_json, write_text

REFERENCE = "lstm"
FIGURE = ROOT / "evenvoice" / "report" / "assets" / "bakeoff.svg"
"""The report shows it beside the compute of a run's own models."""


def main() -> None:
    """Tune, repeat, compare, write."""
    options = _options()
    began = time.monotonic()
    found: dict[str, list[Standing]] = {}
    for corpus, steps in zip(map(Corpus.parse, options.corpus), options.steps, strict=True):
        prepare(corpus, options.work, options.listen_first_s)
        tried = tuning(corpus.name, options.arms, steps)
        _run(tried, "validate", options)
        repeated = repetitions(corpus.name, _best(tried, options.work), options.seeds, steps)
        _run(repeated, "test", options)
        found[corpus.name] = standings({arm.encoder: _scored(arm.encoder, repeated, options.work)
                                          for arm in options.arms}, REFERENCE)
        print(f"\n{corpus.name}\n\n{markdown(found[corpus.name])}\n", flush=True)
    note = (f"{datetime.now(UTC):%Y-%m-%d}: {options.seeds} seeds, zero look-ahead\n"
            "bars are means over seeds, dots are seeds")
    titles = {f"{name}, {steps} updates": lines
              for (name, lines), steps in zip(found.items(), options.steps, strict=True)}
    write_text(options.figure, bakeoff_figure(titles, note))
    path = write_result("model_bakeoff", {
        "hardware": hardware(), "steps": dict(zip(found, options.steps, strict=True)), "seeds": options.seeds,
        "recipes": {arm.encoder: [recipe.name for recipe in arm.recipes] for arm in options.arms},
        "listen_first_s": options.listen_first_s, "trials_at_once": options.processes,
        "wall_s": time.monotonic() - began,
        "corpora": {name: [line.record() for line in lines] for name, lines in found.items()}})
    print(f"{path}\n{options.figure}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", nargs="+", default=["synthetic"], metavar="NAME",
                        help="synthetic, or profile=path of recorded speech, e.g. digits=corpora/real")
    parser.add_argument("--steps", type=int, nargs="+", default=[1200],
                        help="updates of every trial: one number, or one for each corpus")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--arms", type=_arm, nargs="+", default=[Arm.parse(encoder) for encoder in ARMS], metavar="ARM",
                        help=f"{', '.join(ARMS)}; with another optimiser or other learning rates to try than usual as "
                             "in transformer=muon:0.004,0.008,0.016")
    parser.add_argument("--listen-first-s", type=float, metavar="S", help="train.listen_first_s of all trainings")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="trials at once, one core each")
    parser.add_argument("--work", type=Path, default=ROOT / ".evenvoice" / "bakeoff", help="where trials are kept")
    parser.add_argument("--figure", type=Path, default=FIGURE)
    options = parser.parse_args()
    if len(options.steps) == 1:
        options.steps *= len(options.corpus)
    if len(options.steps) != len(options.corpus):
        parser.error(f"--steps names {len(options.steps)} numbers for {len(options.corpus)} corpora: give one, or one "
                     "for each")
    if REFERENCE not in {arm.encoder for arm in options.arms}:
        parser.error(f"--arms needs {REFERENCE}, which all others are compared with")
    options.work = options.work.resolve()
    return options


def _arm(text: str) -> Arm:
    try:
        return Arm.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _run(trials: Sequence[Trial], split: str, options: argparse.Namespace) -> None:
    with ThreadPoolExecutor(options.processes) as pool:
        for trial, _ in zip(trials, pool.map(lambda trial: _trial(trial, split, options.work), trials), strict=True):
            print(f"{trial.corpus}  {trial.arm}  {trial.recipe.name}  seed {trial.seed}  {split} "
                  f"{100 * _wer(trial, split, options.work):.2f} %", flush=True)


def _trial(trial: Trial, split: str, work: Path) -> None:
    directory = trial.directory(work)
    if (directory / f"{split}.json").exists():
        return
    directory.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "benchmarks.bakeoff.trial", str(work), trial.corpus, trial.arm,
            trial.recipe.optimiser, repr(trial.recipe.learning_rate), str(trial.seed), str(trial.steps), split]
    with (directory / f"{split}.log").open("w", encoding="utf-8") as log:
        done = subprocess.run(argv, cwd=ROOT, env=env, stdout=log, stderr=log, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(f"a trial failed; its words are in {log.name}")


def _wer(trial: Trial, split: str, work: Path) -> float:
    counts = read_json(trial.directory(work) / f"{split}.json")
    return sum(counts["errors"]) / sum(counts["words"])


def _best(tried: Sequence[Trial], work: Path) -> dict[str, Recipe]:
    return {arm: min((trial for trial in tried if trial.arm == arm),
                     key=lambda trial: _wer(trial, "validate", work)).recipe
            for arm in dict.fromkeys(trial.arm for trial in tried)}


def _scored(arm: str, repeated: Sequence[Trial], work: Path) -> Scored:
    trials = [trial for trial in repeated if trial.arm == arm]
    counts = [read_json(trial.directory(work) / "test.json") for trial in trials]
    return Scored(words_S=np.array(counts[0]["words"]), errors_NS=np.array([one["errors"] for one in counts]),
                  macs=float(np.mean([one["macs_per_audio_s"]["total"] for one in counts])),
                  parameters=counts[0]["parameters"], cpu_s=float(np.mean([one["cpu_s"] for one in counts])),
                  recipe=trials[0].recipe.name)


if __name__ == "__main__":
    main()
