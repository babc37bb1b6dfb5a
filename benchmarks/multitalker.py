"""What a recogniser of two talkers needs: turns marked or not, activity, prices for late ends, beside controls.

Every arm is trained from the same base recogniser on the same mixtures, and hears the same test mixtures. Word errors
are compared with those of the arm without tokens, speakers resampled for both together. Ends of turns are compared
with an energy detector that waits for silence, on turns into whose end nobody else speaks.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.special import ndtri

from benchmarks.bakeoff.corpus import ROOT, Corpus
from benchmarks.hardware import hardware, write_result
from benchmarks.talkers.arms import ARMS, ENDING, REFERENCE
from benchmarks.talkers.figure import endings_figure
from benchmarks.talkers.trial import CONFIDENCE, Study, Trial
from benchmarks.whole_runs import options_of_runs
from evenvoice.metrics.bootstrap import ratio_of_models
from evenvoice.multitalker.evidence import CHALLENGER
from evenvoice.params import overlay
from evenvoice.storage import write_text

TEST_MIXTURES = 1000
SHOWN = ("orc_wer", "cp_wer", "counting_accuracy", "cut", "missed", "eot_p50_s", "eot_p90_s", "sot_p50_s")
Trials = Mapping[str, Sequence[Trial]]


def main() -> None:
    """Train, measure, print the table, draw the curve, write the result."""
    options = _options()
    began = time.monotonic()
    study = Study(corpus=Corpus.parse(options.corpus), work=options.work,
                  values=overlay({"mix": {"test": TEST_MIXTURES}}, yaml.safe_load(options.values)))
    seeds = range(1, options.seeds + 1)
    with ThreadPoolExecutor(options.processes) as pool:
        list(pool.map(study.prepare, seeds))
        for arm, seed in pool.map(lambda one: (study.train(one[1], one[0]), one)[1],
                                  [(arm, seed) for arm in ARMS for seed in seeds]):
            print(f"{arm}, seed {seed}: trained", flush=True)
    trials = {arm: [study.trial(seed, arm) for seed in seeds] for arm in ARMS}
    lines = [line(arm, trials) for arm in ARMS]
    base = {name: _mean([trial.of_base for trial in trials[REFERENCE]], name) for name in ("orc_wer", "cp_wer")}
    endings = {arm: [trial.endings() for trial in trials[arm]] for arm in ENDING}
    print(table(lines))
    print(f"the base recogniser on the same mixtures: {base['orc_wer']:.1%} ORC-WER")
    print(table_of_endings(endings))
    if options.figure:
        write_text(options.figure, drawn(endings, f"{study.corpus.name}, {options.seeds} seeds of {TEST_MIXTURES} test "
                                                  "mixtures; turns into whose end nobody else speaks"))
    print(write_result(f"multitalker-{study.corpus.name}", {
        "hardware": hardware(), "seeds": options.seeds, "trials_at_once": options.processes,
        "wall_s": time.monotonic() - began, "lines": lines, "base": base,
        "endings": endings}))


def line(arm: str, trials: Trials) -> dict[str, Any]:
    """Figures of an arm, means over seeds, with its word errors against those of the arm without tokens."""
    found = [trial.figures for trial in trials[arm]]
    change, low, high = against(trials[arm], trials[REFERENCE])
    return {"arm": arm, **{name: _mean(found, name) for name in SHOWN}, "change": change, "change_low": low,
            "change_high": high, "seeds": [{name: one[name] for name in SHOWN} for one in found],
            "speakers": [one["speakers"] for one in found], "turns": [one["turns"] for one in found],
            "words": [one["words"] for one in found]}


def against(own: Sequence[Trial], other: Sequence[Trial]) -> tuple[float, float, float]:
    """Relative change of ORC-WER with its bounds: the mean of the seeds' logarithms, speakers resampled within each."""
    changes = []
    for one, two in zip(own, other, strict=True):
        model, reference = (one.bootstrap().log_wer(trial.outcomes[CHALLENGER].served.orc_errors)
                            for trial in (one, two))
        changes.append(ratio_of_models(model, reference))
    mean = float(np.mean([change.estimate for change in changes]))
    error = float(np.sqrt(sum(change.standard_error**2 for change in changes))) / len(changes)
    reach = float(ndtri((1 + CONFIDENCE) / 2)) * error
    return tuple(float(np.expm1(value)) for value in (mean, mean - reach, mean + reach))  # type: ignore[return-value]


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """Markdown, one row per arm."""
    rows = ["| arm | ORC-WER | against no tokens | cpWER | turns counted | cut off | end never told | end told after, "
            "p50 / p90 |", "| --- " * 8 + "|"]
    for one in lines:
        end = "–" if one["eot_p50_s"] is None else f"{one['eot_p50_s']:.2f} / {one['eot_p90_s']:.2f} s"
        marks = one["eot_p50_s"] is not None
        cut, missed = (f"{one[name]:.1%}" if marks else "–" for name in ("cut", "missed"))
        rows.append(f"| {one['arm']} | {one['orc_wer']:.1%} | {one['change']:+.0%} ({one['change_low']:+.0%} to "
                    f"{one['change_high']:+.0%}) | {one['cp_wer']:.1%} | {one['counting_accuracy']:.1%} | {cut} "
                    f"| {missed} | {end} |")
    return "\n".join(rows)


def table_of_endings(endings: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]) -> str:
    """Markdown: arms, and silence by its length, on turns that end in silence."""
    rows = ["| who | cut off | end never told | p50 | p90 |", "| --- " * 5 + "|"]
    found = {**{arm: [_model(of_seed) for of_seed in seeds] for arm, seeds in endings.items()},
             **{f"silence of {wait:g} s": of for wait, of in silence(endings).items()}}
    return "\n".join([*rows, *(f"| {name} | {_mean(of, 'cut'):.1%} | {_mean(of, 'missed'):.1%} | "
                               f"{_mean(of, 'eot_p50_s'):.2f} s | {_mean(of, 'eot_p90_s'):.2f} s |"
                               for name, of in found.items())])


def silence(endings: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]) -> dict[float, list[Mapping[str, Any]]]:
    """Seconds that the energy detector waits -> its row for each seed; the same whichever arm it stands beside."""
    found: dict[float, list[Mapping[str, Any]]] = {}
    for of_seed in next(iter(endings.values())):
        for row in of_seed:
            if row["kind"] == "vad":
                found.setdefault(row["hangover_s"], []).append(row)
    return found


def drawn(endings: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]], note: str) -> str:
    """The curve."""
    return endings_figure({arm: [_model(of_seed) for of_seed in seeds] for arm, seeds in endings.items()},
                          silence(endings), note)


def _model(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return next(row for row in rows if row["kind"] == "model")


def _mean(rows: Sequence[Mapping[str, Any]], name: str) -> Any:
    values = [row[name] for row in rows]
    return None if any(value is None for value in values) else float(np.mean(values))


def _options() -> Any:
    parser = options_of_runs(__doc__, "multitalker", seeds=2)
    parser.add_argument("--corpus", default="synthetic", metavar="PROFILE=PATH",
                        help="synthetic, or a profile and where its speech lies")
    parser.add_argument("--values", default="{}", metavar="YAML",
                        help="laid over params.yaml, e.g. '{train_multitalker: {steps: 100}}'")
    parser.add_argument("--figure", type=Path, default=ROOT / "docs" / "multitalker.svg",
                        help="where the curve is drawn (default: docs/multitalker.svg)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
