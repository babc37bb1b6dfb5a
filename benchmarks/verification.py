"""Does a weighting of speakers make verification fairer? Every weighting and control, beside none, over seeds.

Each seed draws the splits anew, so over the seeds most people are test speakers once. A change is the mean over seeds
of the logarithm of the ratio to the unweighted verifier of the same seed, with Student's t over the seeds; what
resampling the speakers of one seed makes of it stands beside it. Encoders are compared on discover and validate
speakers, since a choice is made there.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.special import stdtrit

from benchmarks.bakeoff.corpus import ROOT, Corpus, prepare
from benchmarks.hardware import hardware, write_result
from evenvoice.data.schemas import CURVE, VERIFICATION, VERIFICATION_GAPS, WEIGHING
from evenvoice.data.tables import read_table
from evenvoice.params import UNWEIGHTED, WEIGHTINGS, overlay
from evenvoice.storage import write_text

CONFIDENCE = 0.95
PUBLISHED = -0.076
"""Change of the equal error rate that arXiv 2207.07776 reports for pairwise weighting on VoxCeleb."""
PLANTED = {"ingest": {"plant": {"transform": "noise", "strength": 0.5, "attribute": "gender", "value": "female",
                                "train_share": 0.3}}}
"""Women at 6 dB SNR in noise of their own spectrum, three in ten of them in training. Pieces of one recording share
the noise, so that they are easier to match: it is a harm only where speakers have several recordings."""
ENCODERS: dict[str, dict[str, Any]] = {
    "conv, as many steps": {"encoder": "conv", "width": 128},
    "conv, three times the steps": {"encoder": "conv", "width": 128, "steps": 3.0},
    "ecapa": {},
    "ecapa, margin loss": {"loss": "margin"},
    "ecapa, noise": {"noise_share": 0.5},
    "ecapa, speed": {"speed": 0.05},
}
"""Changes of train_speaker; ``steps`` is a factor."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """How a weighting changes a rate against none.

    Attributes:
        relative: over the seeds, with its bounds by Student's t.
        bootstrap_error: standard error of the logarithm of the ratio within a seed, by resampling speakers; the mean.
        speakers: test speakers of all seeds together.
        would_decide: test speakers of whom a change as large as the published one would be told from none, by the
            bootstrap's error.
    """

    corpus: str
    weighting: str
    group: str
    seeds: int
    eer: float
    relative: float
    low: float
    high: float
    bootstrap_error: float
    speakers: int
    would_decide: int


def main() -> None:
    """Train, measure, print the tables, write the result."""
    options = _options()
    began = time.monotonic()
    places = []
    for text in options.corpora:
        corpus = Corpus.parse(text)
        planted = [(replace(corpus, name=f"{corpus.name}, planted"), PLANTED)] if options.planted else []
        for world, changes in [(corpus, {}), *planted]:
            for seed in range(1, options.seeds + 1):
                prepare(world, options.work, seed=seed, changes=changes)
                places.append(Place(world.name, seed, options.work / f"{world.name}-{seed}"))
    _side_by_side(options.processes, [lambda place=place, weighting=weighting: place.train(weighting)
                                      for place in places for weighting in WEIGHTINGS])
    _side_by_side(options.processes, [place.evaluate for place in places])
    changes = [change for name in dict.fromkeys(place.corpus for place in places)
               for change in changes_of([place for place in places if place.corpus == name])]
    gaps, games = [row for place in places for row in place.gaps()], [row for place in places for row in place.games()]
    encoders = []
    for place in [place for place in places if place.seed <= options.encoder_seeds and "planted" not in place.corpus]:
        encoders += [place.encoder(name) for name in ENCODERS]
    for text in (table(changes), table_of_gaps(gaps), table_of_games(games), table_of_encoders(encoders)):
        print(text, "\n")
    print(write_result("verification", {
        "hardware": hardware(), "processes": options.processes, "wall_s": time.monotonic() - began,
        "changes": [asdict(change) for change in changes], "gaps": gaps, "games": games, "encoders": encoders}))


@dataclass(frozen=True)
class Place:
    """A corpus with the splits of one seed, and where its results lie."""

    corpus: str
    seed: int
    folder: Path

    def train(self, weighting: str) -> None:
        """Train a verifier and score its trials, unless that was done before."""
        if not (self.folder / "artifacts" / "trials" / weighting).exists():
            self._stage(self.folder, "train_speaker", weighting)
            self._stage(self.folder, "verify", weighting)

    def evaluate(self) -> None:
        """Compare all verifiers."""
        if not (self.folder / "artifacts" / "verification").exists():
            self._stage(self.folder, "embed")
            self._stage(self.folder, "evaluate_verifier")

    def rates(self, split: str = "test") -> list[dict[str, Any]]:
        """Rows of the VERIFICATION table."""
        rows = read_table(self.folder / "artifacts" / "verification" / "rates.parquet", VERIFICATION).to_pylist()
        return [row for row in rows if row["split"] == split]

    def gaps(self) -> list[dict[str, Any]]:
        """Rows of the VERIFICATION_GAPS table."""
        rows = read_table(self.folder / "artifacts" / "verification" / "gaps.parquet", VERIFICATION_GAPS).to_pylist()
        return [{"corpus": self.corpus, "seed": self.seed, **row} for row in rows]

    def games(self) -> list[dict[str, Any]]:
        """Of each weighting with an adversary: whether weights rise where losses are, and how many still count."""
        found = []
        for weighting in WEIGHTINGS:
            model = self.folder / "artifacts" / "speaker_models" / weighting
            rows = read_table(model / "weighing.parquet", WEIGHING).to_pylist()
            shares = [row["effective_share"] for row in read_table(model / "curve.parquet", CURVE).to_pylist()
                      if row["effective_share"] is not None]
            if rows:
                found.append({"corpus": self.corpus, "seed": self.seed, "weighting": weighting,
                              "correlation": _within_epochs(rows), "effective_share": float(np.mean(shares[len(shares)
                                                                                                           // 2:]))})
        return found

    def encoder(self, name: str) -> dict[str, Any]:
        """Equal error rates of an unweighted encoder on discover and validate speakers, and its CPU seconds."""
        place = self.folder / "encoders" / name.replace(", ", "-").replace(" ", "-")
        done = place / "cpu_s"
        if not done.exists():
            (place / "artifacts").mkdir(parents=True, exist_ok=True)
            for part in ("corpus", "features"):
                (place / "artifacts" / part).unlink(missing_ok=True)
                (place / "artifacts" / part).symlink_to(self.folder / "artifacts" / part)
            values = yaml.safe_load((self.folder / "params.yaml").read_text(encoding="utf-8"))
            changes = dict(ENCODERS[name])
            changes["steps"] = round(values["train_speaker"]["steps"] * changes.get("steps", 1.0))
            write_text(place / "params.yaml", yaml.safe_dump(overlay(values, {"train_speaker": changes})))
            began = os.times().children_user
            self._stage(place, "train_speaker", UNWEIGHTED)
            seconds = os.times().children_user - began
            self._stage(place, "verify", UNWEIGHTED)
            write_text(done, f"{seconds:.1f}")
        return {"corpus": self.corpus, "seed": self.seed, "encoder": name,
                "cpu_s": float(done.read_text(encoding="utf-8")),
                **{split: _eer(place / "artifacts" / "trials" / UNWEIGHTED, split)
                   for split in ("discover", "validate")}}

    def _stage(self, folder: Path, *command: str) -> None:
        env = {**os.environ, "PYTHONPATH": str(ROOT), "EVENVOICE_HOME": str(self.folder / "home"),
               "OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, "-m", f"stages.{command[0]}", *command[1:]], cwd=folder,  # noqa: S603
                       env=env, check=True, stdout=subprocess.DEVNULL)


def _eer(trials: Path, split: str) -> float:
    from evenvoice.verification.detection import equal_error_rate
    from evenvoice.verification.heard import read_heard

    heard = read_heard(trials)[split]
    return equal_error_rate(heard.scores, heard.same)


def _within_epochs(rows: Sequence[dict[str, Any]]) -> float:
    """Correlation over clusters of mean weight and mean loss, each less the mean of its epoch; the latter half."""
    last = max(row["epoch"] for row in rows)
    late = [row for row in rows if row["epoch"] > last / 2]
    columns = {name: np.array([row[name] for row in late]) for name in ("epoch", "weight", "loss")}
    for name in ("weight", "loss"):
        for epoch in np.unique(columns["epoch"]):
            inside = columns["epoch"] == epoch
            columns[name][inside] -= columns[name][inside].mean()
    return float(np.corrcoef(columns["weight"], columns["loss"])[0, 1])


def changes_of(places: Sequence[Place]) -> list[Change]:
    """Everybody, and each group that every seed has, worst and best included."""
    rows = [{(row["model"], row["partition"], row["group"]): row for row in place.rates()} for place in places]
    shared = [key for key in rows[0] if all(key in other and other[key]["eer"] for other in rows)]
    return [_change(places[0].corpus, key, [found[key] for found in rows],
                    [found[UNWEIGHTED, *key[1:]] for found in rows])
            for key in shared if key[0] != UNWEIGHTED and (UNWEIGHTED, *key[1:]) in shared]


def _change(corpus: str, key: tuple[str, str, str], own: Sequence[dict[str, Any]], other: Sequence[dict[str, Any]]
            ) -> Change:
    ratios = np.log([one["eer"] / two["eer"] for one, two in zip(own, other, strict=True)])
    errors = [(math.log1p(one["relative_high"]) - math.log1p(one["relative_low"])) / (2 * 1.96) for one in own
              if one["relative_low"] is not None and one["relative_low"] > -1]
    reach = (float(stdtrit(len(ratios) - 1, (1 + CONFIDENCE) / 2)) * float(ratios.std(ddof=1)) / math.sqrt(len(ratios))
             if len(ratios) > 1 else float("nan"))
    mean, speakers = float(ratios.mean()), sum(one["speakers"] for one in own)
    error = float(np.mean(errors)) if errors else float("nan")
    return Change(corpus=corpus, weighting=key[0], group=key[2] if key[1] == "whole" else f"{key[1]}: {key[2]}",
                  seeds=len(ratios), eer=float(np.mean([one["eer"] for one in own])), relative=math.expm1(mean),
                  low=math.expm1(mean - reach), high=math.expm1(mean + reach), bootstrap_error=error,
                  speakers=speakers, would_decide=_would_decide(error, speakers / len(own)))


def _would_decide(error: float, speakers: float) -> int:
    """The error falls with the root of the number of speakers; 1.96 for the interval and 0.84 for 80 % power."""
    return round(speakers * (2.8 * error / abs(math.log1p(PUBLISHED))) ** 2) if error > 0 else 0


def table(changes: Sequence[Change]) -> str:
    """Everybody, as Markdown."""
    lines = ["| corpus | weighting | EER | against none, over seeds | within a seed | test speakers | would decide |",
             "| --- | --- | ---: | --- | ---: | ---: | ---: |"]
    return "\n".join([*lines, *(
        f"| {one.corpus} | {one.weighting} | {one.eer:.2%} | {one.relative:+.1%} ({one.low:+.1%} to {one.high:+.1%}) "
        f"| ± {1.96 * one.bootstrap_error:.0%} | {one.speakers} | {one.would_decide:,} |"
        for one in changes if one.group == "whole")])


def table_of_gaps(rows: Sequence[dict[str, Any]]) -> str:
    """Gap and spread of every weighting, means over seeds in points of EER, with the change against none."""
    lines = ["| corpus | groups by | figure | weighting | mean | change against none |",
             "| --- | --- | --- | --- | ---: | --- |"]
    keys = dict.fromkeys((row["corpus"], row["partition"], row["figure"], row["model"]) for row in rows)
    for key in keys:
        found = [row for row in rows if (row["corpus"], row["partition"], row["figure"], row["model"]) == key]
        changes = np.array([row["change"] for row in found])
        reach = (float(stdtrit(len(changes) - 1, 0.975)) * changes.std(ddof=1) / math.sqrt(len(changes))
                 if len(changes) > 1 else float("nan"))
        changed = ("–" if key[3] == UNWEIGHTED else f"{100 * changes.mean():+.2f} "
                   f"({100 * (changes.mean() - reach):+.2f} to {100 * (changes.mean() + reach):+.2f})")
        lines.append(f"| {' | '.join(key)} | {100 * np.mean([row['value'] for row in found]):.2f} | {changed} |")
    return "\n".join(lines)


def table_of_games(rows: Sequence[dict[str, Any]]) -> str:
    """Whether weights rise where losses are."""
    lines = ["| corpus | weighting | weight and loss of clusters, correlation | effective share |",
             "| --- | --- | --- | --- |"]
    for key in dict.fromkeys((row["corpus"], row["weighting"]) for row in rows):
        found = [row for row in rows if (row["corpus"], row["weighting"]) == key]
        told = [f"{np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"
                for values in ([row[name] for row in found] for name in ("correlation", "effective_share"))]
        lines.append(f"| {' | '.join([*key, *told])} |")
    return "\n".join(lines)


def table_of_encoders(rows: Sequence[dict[str, Any]]) -> str:
    """Means over seeds."""
    lines = ["| corpus | encoder | EER, discover | EER, validate | CPU s |", "| --- | --- | ---: | ---: | ---: |"]
    for key in dict.fromkeys((row["corpus"], row["encoder"]) for row in rows):
        found = [row for row in rows if (row["corpus"], row["encoder"]) == key]
        means = {name: float(np.mean([row[name] for row in found])) for name in ("discover", "validate", "cpu_s")}
        lines.append(f"| {' | '.join(key)} | {means['discover']:.2%} | {means['validate']:.2%} "
                     f"| {means['cpu_s']:.0f} |")
    return "\n".join(lines)


def _side_by_side(processes: int, work: Sequence[Callable[[], None]]) -> None:
    with ThreadPoolExecutor(processes) as pool:
        for done in [pool.submit(one) for one in work]:
            done.result()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", nargs="+", default=["synthetic"], metavar="PROFILE=PATH",
                        help="synthetic, or a profile and where its speech lies")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--encoder-seeds", type=int, default=2, help="of which encoders are compared as well")
    parser.add_argument("--planted", action="store_true",
                        help="each corpus once more, with a harm that is known: women are heard in noise, and are "
                             "scarce in training")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--work", type=Path, default=ROOT / ".evenvoice" / "verification",
                        help="where results are kept; a run goes on from those")
    return parser.parse_args()


if __name__ == "__main__":
    main()
