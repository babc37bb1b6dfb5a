"""A finished evaluation, made by the real evaluation and the real gate from speakers whose errors are made up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from evenvoice.data.schemas import CURVE, REJECTED
from evenvoice.data.tables import rows_table, write_table
from evenvoice.evaluation import Margins, evaluate
from evenvoice.gates import judge, read_evidence
from evenvoice.metrics.partitions import FrozenCohort, Partition
from evenvoice.params import AMORTIZED, METHODS, SAVINGS, Evaluate, Gate
from evenvoice.progress import Progress
from evenvoice.report import Contents, Sources, read_contents
from evenvoice.storage import read_json, write_json
from tests.builders.origins import write_identity
from tests.builders.tables import (
    made_partition,
    no_partition,
    write_cohorts,
    write_hypotheses,
    write_timing,
    write_work,
)
from tests.builders.wanted import write_wanted

WER = {"region-1": 0.24, "region-2": 0.13, "region-3": 0.10}
RULES = {"region-1": "south of 34.2, west of -95.0", "region-2": "south of 34.2, east of -95.0",
         "region-3": "north of 34.2"}
BOXES = {"region-1": {"lat_min": None, "lat_max": 34.2, "lon_min": None, "lon_max": -95.0},
         "region-2": {"lat_min": None, "lat_max": 34.2, "lon_min": -95.0, "lon_max": None},
         "region-3": {"lat_min": 34.2, "lat_max": None, "lon_min": None, "lon_max": None}}
HELP = {"base": 1.0, "finetune": 0.72, "l2sp": 0.78, "ewc": 0.7, "oversample": 0.85, "placebo": 0.98,
        "reweight": 0.9, "cohort_input": 0.8, "reweight_random": 0.97, "cohort_input_shuffled": 0.97,
        "cohort_input_constant": 0.96, "dense": 1.0, "amortized": 1.0}
WORDS = 50


def write_evaluation(root: Path, *, sizes: dict[str, int] | None = None, verdict: Path | None = None,
                     watched: bool = False, declared: bool = False, saving: bool = False) -> Sources:
    """Write every input of the report below ``root``.

    Args:
        sizes: test speakers per cohort.
        watched: judge the same regions once more, as those of an earlier run.
        declared: judge by gender and age too; of both nobody knows the last test speaker of region-3.
        saving: with an amortized model, which no arm is better than.
    """
    sizes = sizes or {"region-1": 24, "region-2": 30, "region-3": 60}
    sources = Sources(corpus=root / "corpus", evaluation=root / "evaluation", verdict=verdict or root / "verdict.json",
                      cohorts=root / "cohorts", models=root / "models", hypotheses=root / "hypotheses")
    _write_corpus(sources.corpus)
    people = [(split, f"{split}-{cohort}-{number}", cohort) for split in ("discover", "validate", "test")
              for cohort, size in sizes.items() for number in range(size)]
    _write_cohorts(sources.cohorts, people, watched=watched)
    if declared:
        _write_declared(sources.cohorts, people)
    models = ("base", *SAVINGS) if saving else tuple(model for model in HELP if model not in SAVINGS)
    for model in models:
        _write_model(sources, model, people)
    if saving:
        write_work(sources.hypotheses, AMORTIZED, [(split, who, f"u-{who}", 0.3 + WER[cohort])
                                                   for split, who, cohort in people])
        write_timing(root / "timing.json", sources.models)
    evaluate(hypotheses=sources.hypotheses, cohorts=sources.cohorts, models=sources.models, out=sources.evaluation,
             mitigated="geographic", names=models, margins=Margins(regression=0.03, saving=0.1), seed=1,
             timing=root / "timing.json", settings=Evaluate(replicates=200, confidence=0.95, null_partitions=50),
             progress=Progress("evaluate"))
    limits = Gate(max_gap=0.5, reference="top", max_wer=0.25, regression_margin=0.03, saving_margin=0.1,
                  confidence=0.95, min_speakers=10)
    write_wanted(root / "wanted.json", write_identity(sources.models, "base"))
    evidence = read_evidence(evaluation=sources.evaluation, corpus=sources.corpus, models=sources.models,
                             wanted=root / "wanted.json")
    write_json(sources.verdict, judge(evidence, limits, seed=1).to_json())
    return sources


def made_contents(root: Path, *, minimum: int = 5, sizes: dict[str, int] | None = None,
                  watched: bool = False, declared: bool = False, saving: bool = False) -> Contents:
    """What the report reads from :func:`write_evaluation`."""
    sources = write_evaluation(root, sizes=sizes, watched=watched, declared=declared, saving=saving)
    return read_contents(sources, minimum)


def _write_corpus(directory: Path) -> None:
    splits = {split: {"speakers": 114, "recordings": 912, "hours": 0.71}
              for split in ("train", "discover", "validate", "test")}
    write_json(directory / "summary.json", {
        "corpus": "synthetic", "layout": "synthetic", "labelled": "synthetic", "normalisation_version": 1,
        "sample_rate": 16000, "recordings": 3648, "rejected": 2, "hours": 2.84, "splits": splits,
        "speakers_overlap": False})
    rejected = [{"recording": name, "rule": "hold sound", "value": "digital silence", "action": "Remove it."}
                for name in ("a.wav", "b.wav")]
    write_table(directory / "rejected.parquet", rows_table(rejected, REJECTED))


def _write_cohorts(directory: Path, people: list[tuple[str, str, str]], *, watched: bool) -> None:
    regions = Partition(method="geographic", applicable=True, reason="3 cohorts from 2 splits", cohorts=tuple(
        FrozenCohort(cohort=name, rule=RULES[name], discover_speakers=24, discover_words=1200, discover_wer=wer)
        for name, wer in WER.items()))
    write_cohorts(directory, regions, people)
    described = directory / "geographic" / "description.json"
    write_json(described, {**read_json(described), "extra": {"boxes": BOXES}})
    nobody = [(split, who, None) for split, who, _ in people]
    for method in METHODS[1:]:
        asked = method not in ("watched", "attributes")
        write_cohorts(directory, no_partition(method, f"nothing for {method}", asked=asked), nobody)
    if watched:
        reason = "3 cohorts of an earlier run: region-1 had 24.0 % WER on discover speakers then"
        write_cohorts(directory, replace(regions, method="watched", reason=reason), people)


def _write_declared(directory: Path, people: list[tuple[str, str, str]]) -> None:
    gender = [(split, who, "female" if int(who.rsplit("-", 1)[1]) % 2 else "male") for split, who, _ in people]
    age = [(split, who, "60+" if int(who.rsplit("-", 1)[1]) % 4 < 2 else "20-29") for split, who, _ in people]
    both = [(split, who, f"{first} and {second}")
            for (split, who, first), (_, _, second) in zip(gender, age, strict=True)]
    for name, values, rows in (("gender", ["male", "female"], gender), ("age_band", ["60+", "20-29"], age),
                               ("gender-age_band", sorted({cohort for _, _, cohort in both}), both)):
        aside = ["unknown"] if "-" not in name else ["unknown and unknown"]
        partition = made_partition({value: 0.2 - 0.01 * place for place, value in enumerate(values)},
                                   f"attributes-{name}", aside=aside)
        write_cohorts(directory, partition, [*rows[:-1], (*rows[-1][:2], aside[0])])
    described = directory / "attributes" / "description.json"
    write_json(described, {**read_json(described), "asked": True, "applicable": True,
                           "reason": "3 partitions by gender, age_band and their crossings",
                           "partitions": ["attributes-gender", "attributes-age_band", "attributes-gender-age_band"]})


def _write_model(sources: Sources, model: str, people: list[tuple[str, str, str]]) -> None:
    rows = [(split, who, f"u-{who}", WORDS, _errors(who, cohort, model)) for split, who, cohort in people]
    write_hypotheses(sources.hypotheses, model, rows)
    write_json(sources.hypotheses / model / "compute.json", {
        "macs_per_audio_s": {"encoder": 3.1e7, "predictor": 2.4e5, "joiner": 1.9e6, "total": 3.3e7},
        "parameters": 1_560_000, "frame_ms": 40, "lookahead_ms": 80,
        **({"executed_share": {"encoder": 0.4, "speech": 0.5, "silence": 0.1}} if model == AMORTIZED else {})})
    curve = [{"step": step, "loss": 4 * 0.97**step + 0.1, "learning_rate": 1e-3} for step in range(60)]
    write_table(sources.models / model / "curve.parquet", rows_table(curve, CURVE))
    summary = sources.models / model / "summary.json"
    trials = [{"steps": 60, "learning_rate": rate, "validate_bottom_wer": 0.2 + rate, "validate_whole_wer": 0.1,
               "kept": rate == 0.001} for rate in (0.001, 0.002)] if model == "ewc" else []
    write_json(summary, {**read_json(summary), "steps": 60, "audio_s": 4500.0, "batches_skipped": 0, "trials": trials})


def _errors(who: str, cohort: str, model: str) -> int:
    spread = (0.6, 0.8, 1.0, 1.2, 1.4)[int(who.rsplit("-", 1)[1]) % 5]
    help_here = HELP[model] if cohort == "region-1" else 1.0
    return round(WORDS * WER[cohort] * spread * help_here)
