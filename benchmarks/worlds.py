"""What the pipeline says of each cause of harm: whole runs of the synthetic worlds, beside the truth that ingest hides.

The truth is who was left out and how much more the base model errs on them; test speakers, the base model. Beside it
stand the gap that each method found, the verdict, and what is said of more speech. In the world ``none`` nobody is set
apart: every cohort that is found there is a false alarm.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

from benchmarks.hardware import hardware, write_result
from benchmarks.whole_runs import options_of_runs, run_graph
from evenvoice.data.corpora.synthetic.corpus import SyntheticCorpus
from evenvoice.data.pseudonyms import from_environment
from evenvoice.data.schemas import GAPS, HYPOTHESES
from evenvoice.data.tables import read_table
from evenvoice.decoding.hypotheses import TABLE
from evenvoice.metrics.bootstrap import Interval
from evenvoice.params import BASE, Cause, load_params
from evenvoice.storage import read_json

SPLIT = "test"


@dataclass(frozen=True, kw_only=True)
class Said:
    """One run.

    Attributes:
        wer_left_out: of those whom the cause leaves out, None where it leaves out nobody; ``wer_others`` of the others.
        found: method -> gap of its bottom cohort; only methods that found more than one cohort.
        more_speakers: wanted, as the run has it; None where nothing is forecast, and ``refused`` says why.
    """

    cause: str
    seed: int
    wer_left_out: float | None
    wer_others: float
    found: dict[str, Interval]
    verdict: str
    challenger: str
    more_speakers: dict[str, int | None] | None
    refused: str


def main() -> None:
    """Run all worlds, print the table, write the result."""
    options = _options()
    began = time.monotonic()
    runs = [(cause, seed) for seed in range(1, options.seeds + 1) for cause in options.causes]
    with ThreadPoolExecutor(options.processes) as pool:
        said = list(pool.map(lambda run: listen(*run, options.work), runs))
    said.sort(key=lambda one: options.causes.index(one.cause))
    print(table(said))
    print(write_result("worlds", {"hardware": hardware(), "runs_at_once": options.processes,
                                  "wall_s": time.monotonic() - began, "runs": [asdict(one) for one in said]}))


def listen(cause: str, seed: int, work: Path) -> Said:
    """One run, and what it says."""
    place = work / f"{cause}-{seed}"
    run_graph(place, {"seed": seed, "synthetic": {"cause": cause}})
    left_out, others = _truth(place)
    verdict, wanted = (read_json(place / name) for name in ("reports/verdict.json", "artifacts/wanted.json"))
    return Said(cause=cause, seed=seed, wer_left_out=left_out, wer_others=others, found=_found(place),
                verdict=verdict["verdict"], challenger=verdict["challenger"], more_speakers=wanted["more_speakers"],
                refused=wanted["refused"])


def _truth(place: Path) -> tuple[float | None, float]:
    """WER of the left out and of the others."""
    params = load_params(place / "params.yaml")
    world = SyntheticCorpus(params.synthetic, sample_rate=params.ingest.sample_rate, seed=params.seed)
    names = from_environment(params.seed, people=False)
    left_out = {names.speaker(speaker.key) for speaker in world.speakers() if speaker.left_out}
    counts = {True: [0, 0], False: [0, 0]}
    heard = read_table(place / "artifacts" / "hypotheses" / BASE / TABLE, HYPOTHESES).to_pylist()
    for row in heard:
        if row["split"] == SPLIT:
            count = counts[row["speaker"] in left_out]
            count[0] += row["substitutions"] + row["deletions"] + row["insertions"]
            count[1] += row["words"]
    wers = {who: errors / words if words else None for who, (errors, words) in counts.items()}
    assert wers[False] is not None
    return wers[True], wers[False]


def _found(place: Path) -> dict[str, Interval]:
    rows = read_table(place / "artifacts" / "evaluation" / "gaps.parquet", GAPS).to_pylist()
    return {row["method"]: Interval(row["gap_over_top"], row["gap_over_top_low"], row["gap_over_top_high"])
            for row in rows if (row["model"], row["split"]) == (BASE, SPLIT) and row["gap_over_top"] is not None}


def table(said: list[Said]) -> str:
    """Markdown."""
    methods = list(dict.fromkeys(method for one in said for method in one.found))
    lines = [f"| cause | seed | WER of the left out, others | {' | '.join(methods)} | verdict | more speech |",
             f"{'| --- ' * (len(methods) + 5)}|"]
    for one in said:
        left_out = "nobody" if one.wer_left_out is None else f"{one.wer_left_out:.1%}"
        gaps = " | ".join(_gap(one.found.get(method)) for method in methods)
        lines.append(f"| {one.cause} | {one.seed} | {left_out}, {one.wer_others:.1%} | {gaps} | "
                     f"{one.verdict} ({one.challenger}) | {_more(one)} |")
    return "\n".join(lines)


def _gap(gap: Interval | None) -> str:
    return "nothing found" if gap is None else f"{gap.estimate:.0%} ({gap.low:.0%} to {gap.high:.0%})"


def _more(one: Said) -> str:
    if one.more_speakers is None:
        return f"not forecast: {one.refused}"
    high = one.more_speakers["high"]
    upper = "or more" if high is None else f"to {high}"
    return f"{one.more_speakers['estimate']} more ({one.more_speakers['low']} {upper})"


def _options() -> argparse.Namespace:
    parser = options_of_runs(__doc__, "worlds", seeds=2)
    parser.add_argument("--causes", nargs="+", choices=get_args(Cause), default=["noise", "voice", "none"],
                        metavar="CAUSE", help="the accent world is that of benchmarks.healing")
    return parser.parse_args()


if __name__ == "__main__":
    main()
