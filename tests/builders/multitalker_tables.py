"""What evaluate_multitalker leaves behind, made up: turns of speakers who are served as they are meant to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evenvoice.data.schemas import CURVE, ENDPOINTING, GROUPED, MIXTURE_ERRORS, SPOKEN_TURNS, TURN_RATES
from evenvoice.data.tables import rows_table, write_table
from evenvoice.multitalker.evidence import CHALLENGER, SPLIT, read_evidence
from evenvoice.multitalker.gate import judge
from evenvoice.origins import model_digest
from evenvoice.params import BASE, MultitalkerGate
from evenvoice.report.multitalker import Sources
from evenvoice.storage import write_json
from evenvoice.verification.groups import Grouping

PACE = "pace"
Row = dict[str, Any]


@dataclass(frozen=True)
class Group:
    """Speakers, with as many turns of ten words each, of which these shares go wrong and are cut off."""

    speakers: int
    wer: float = 0.1
    cut: float = 0.03
    turns: int = 12


def limits(**changes: Any) -> MultitalkerGate:
    """Those of the tests, which params.yaml may change without them."""
    return MultitalkerGate(**{"max_wer": 0.35, "max_gap": 0.5, "max_cut": 0.1, "confidence": 0.95, "min_speakers": 10,
                              **changes})


def grouped(groups: Mapping[str, Group], partition: str = PACE) -> list[Row]:
    """Rows of the GROUPED table; speakers are called after their group."""
    return [{"partition": partition, "speaker": f"{name}-{number:03d}", "split": SPLIT, "group": name}
            for name, group in groups.items() for number in range(group.speakers)]


def spoken(groups: Mapping[str, Group], *, model: str = CHALLENGER, worse: float = 1.0, seed: int = 0) -> list[Row]:
    """Rows of the SPOKEN_TURNS table; two turns after one another are one mixture."""
    rng = np.random.default_rng(seed)
    made = [(f"{name}-{number:03d}", group) for name, group in groups.items() for number in range(group.speakers)
            for _ in range(group.turns)]
    order = rng.permutation(len(made))
    rows = []
    for place, (speaker, group) in enumerate(made[number] for number in order):
        start = float(place % 2) * 2.5
        rows.append({"model": model, "mixture": f"m{place // 2:05d}", "split": SPLIT, "speaker": speaker,
                     "start_s": start, "end_s": start + 3, "words": 10,
                     "errors": int(rng.binomial(10, min(1.0, worse * group.wer))), "into_silence": bool(place % 2),
                     "sot_latency_s": 0.2, "eot_latency_s": float(rng.normal(0.35, 0.1)),
                     "cut": bool(rng.random() < group.cut)})
    return rows


def mixtures(turns: list[Row], *, beside: int = 0, silent: int = 0) -> list[Row]:
    """Rows of the MIXTURE_ERRORS table.

    Args:
        beside: errors in a channel without a turn, in the first mixture.
        silent: errors in one more mixture, in which nobody speaks.
    """
    of: dict[str, list[Row]] = {}
    for turn in turns:
        of.setdefault(turn["mixture"], []).append(turn)
    rows = [{"model": found[0]["model"], "mixture": name, "split": SPLIT,
             "speakers": sorted({turn["speaker"] for turn in found}), "turns": len(found), "heard_turns": len(found),
             "words": sum(turn["words"] for turn in found), "orc_errors": sum(turn["errors"] for turn in found),
             "cp_errors": sum(turn["errors"] for turn in found), "duration_s": 8.0} for name, found in of.items()]
    rows[0]["orc_errors"] += beside
    return [*rows, {"model": turns[0]["model"], "mixture": "silent", "split": SPLIT, "speakers": [], "turns": 0,
                    "heard_turns": 0, "words": 0, "orc_errors": silent, "cp_errors": silent, "duration_s": 8.0}]


def rates(groups: Mapping[str, Group], turns: list[Row], partition: str = PACE) -> list[Row]:
    """Rows of the TURN_RATES table: true figures, with intervals that nobody worked out."""
    scopes = {("whole", "whole"): turns} | {
        (partition, name): [turn for turn in turns if turn["speaker"].startswith(f"{name}-")] for name in groups}
    return [{"model": found[0]["model"], "partition": scope, "group": name,
             "speakers": len({turn["speaker"] for turn in found}), "turns": len(found),
             "words": sum(turn["words"] for turn in found),
             **_around("wer", sum(turn["errors"] for turn in found) / sum(turn["words"] for turn in found)),
             **_around("cut", float(np.mean([turn["cut"] for turn in found]))), **_around("missed", 0.04),
             **{f"{figure}{bound}": value + reach for figure, value in (
                 ("sot_p50_s", 0.15), ("sot_p90_s", 0.3), ("eot_p50_s", 0.34), ("eot_p90_s", 0.62))
                for bound, reach in (("", 0.0), ("_low", -0.02), ("_high", 0.02))}}
            for (scope, name), found in scopes.items()]


def _around(name: str, value: float) -> dict[str, float]:
    return {name: value, f"{name}_low": 0.85 * value, f"{name}_high": 1.15 * value}


def write_multitalker(root: Path, groups: Mapping[str, Group], *, examples: list[Row] | None = None, seed: int = 0
                      ) -> Sources:
    """Every input of the page below ``root``, with the verdict of the real gate."""
    sources = Sources(mixtures=root / "mixtures", evaluation=root / "multitalker",
                      verdict=root / "reports" / "verdict.json", models=root / "models")
    origins = _write_model(sources.models / CHALLENGER)
    write_json(sources.mixtures / "summary.json", {
        "source": "mixed", "labelled": "recorded", "speakers_overlap": False, "splits": {
            split: {"mixtures": 300, "turns": 700, "speakers": 90, "hours": 1.4, "overlap_share": 0.11}
            for split in ("train", "validate", SPLIT)}})
    _write_evaluation(sources.evaluation, groups, examples or [], seed)
    write_json(sources.evaluation / "origins.json", origins)
    verdict = judge(read_evidence(evaluation=sources.evaluation, mixtures=sources.mixtures), limits(), seed=0)
    write_json(sources.verdict, verdict.to_json())
    return sources


def _write_model(directory: Path) -> dict[str, str]:
    write_json(directory / "config.json", {"weights_sha256": "weights"})
    origins = {"model": model_digest(directory), "base": "b" * 64, "mixtures": "c" * 64}
    write_json(directory / "summary.json", {"parameters": 8_400_000, "steps": 1200, "audio_s": 36_000.0,
                                            "mixtures": origins["mixtures"], "base": origins["base"],
                                            "tokens": "turns"})
    rng = np.random.default_rng(0)
    write_table(directory / "curve.parquet", rows_table(
        [{"step": step, "loss": float(4 * np.exp(-step / 300) + 1 + rng.normal(0, 0.15)), "learning_rate": 0.001}
         for step in range(1, 1200, 4)], CURVE))
    return origins


def _write_evaluation(directory: Path, groups: Mapping[str, Group], examples: list[Row], seed: int) -> None:
    found = {CHALLENGER: spoken(groups, seed=seed), BASE: spoken(groups, model=BASE, worse=4.0, seed=seed)}
    turns = [turn for rows in found.values() for turn in rows]
    write_table(directory / "spoken.parquet", rows_table(turns, SPOKEN_TURNS))
    write_table(directory / "mixtures.parquet",
                rows_table([row for rows in found.values() for row in mixtures(rows)], MIXTURE_ERRORS))
    write_table(directory / "rates.parquet",
                rows_table([row for rows in found.values() for row in rates(groups, rows)], TURN_RATES))
    write_table(directory / "labelled.parquet", rows_table(grouped(groups), GROUPED))
    judged = Grouping(name=PACE, judged=tuple(groups), aside=(), reason=f"{len(groups)} groups")
    alone = Grouping(name="accent", judged=(), aside=(), reason="nobody says")
    write_json(directory / "groupings.json", {one.name: one.to_json() for one in (judged, alone)})
    write_table(directory / "endpointing.parquet", rows_table(_endpointing(len(found[CHALLENGER]) // 2), ENDPOINTING))
    write_json(directory / "figures.json", {model: _figures(rows) for model, rows in found.items()})
    write_json(directory / "examples.json", examples)


def _figures(turns: list[Row]) -> Row:
    words, errors = (sum(turn[name] for turn in turns) for name in ("words", "errors"))
    near = {**_around("orc_wer", errors / words), **_around("cp_wer", 1.1 * errors / words),
            **_around("counting_accuracy", 0.8), **_around("counting_error", 0.24)}
    return {**near, "silent_mixtures": 9, "turns_in_silence": 1, "mixtures": len(turns) // 2, "turns": len(turns),
            "words": words, "speakers": len({turn["speaker"] for turn in turns})}


def _endpointing(turns: int) -> list[Row]:
    vad = [(0.1, 0.36, 0.01, 0.13, 0.22), (0.2, 0.24, 0.01, 0.23, 0.33), (0.3, 0.17, 0.02, 0.33, 0.44),
           (0.5, 0.10, 0.03, 0.53, 0.66), (0.8, 0.05, 0.06, 0.84, 1.0), (1.2, 0.02, 0.12, 1.25, 1.4)]
    return [{"kind": "model", "hangover_s": None, "turns": turns, "cut": 0.04, "missed": 0.03, "eot_p50_s": 0.34,
             "eot_p90_s": 0.62},
            *({"kind": "vad", "hangover_s": hangover, "turns": turns, "cut": cut, "missed": missed,
               "eot_p50_s": middle, "eot_p90_s": late} for hangover, cut, missed, middle, late in vad)]
