"""What a finished run leaves behind, tiny: two models, an evaluation, a verdict and a report."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import yaml

from evenvoice.data.schemas import COHORT_WER, CURVE, GAPS
from evenvoice.data.tables import rows_table, write_table
from evenvoice.origins import Origins, model_digest
from evenvoice.storage import write_json, write_text
from evenvoice.tracking.run_files import RunFiles
from tests.builders.wanted import made_forecast, written

ROOT = Path(__file__).resolve().parents[2]
CORPUS_HASH = "0123456789abcdef0123456789abcdef.dir"
ERRORS = (4, 6, 5, 3, 7, 5, 4, 6, 5, 5, 6, 4)
"""Of twelve test speakers, 100 words each."""
COHORTS = {"north": 20, "south": 30, "hamlet": 3, "harbour": 12}
"""Test speakers per cohort; hamlet is below the report's five."""


def write_run(workspace: Path, *, model: Path, verdict: str = "PASS", errors: Sequence[int] = ERRORS,
              words: int = 100, cohorts: Mapping[str, int] = COHORTS, speaker: str = "speaker",
              limits: Mapping[str, float] | None = None) -> RunFiles:
    """Fill ``workspace`` with a run whose challenger ``ewc`` is a copy of the model in the directory ``model``."""
    files = RunFiles(workspace)
    for name in ("base", "ewc"):
        shutil.copytree(model, files.model(name))
        if not any(model.iterdir()):
            write_json(files.model(name) / "config.json", {"weights_sha256": name})
        write_table(files.model(name) / "curve.parquet", _curve())
        write_json(files.model(name) / "summary.json", {"parameters": 10, "audio_s": 100.0})
        write_json(files.compute(name), {"macs_per_audio_s": {"encoder": 900, "total": 1000}})
    shutil.copyfile(ROOT / "params.yaml", files.params_file)
    write_table(files.evaluation / "cohort_wer.parquet", _cohort_wer(cohorts))
    write_table(files.evaluation / "gaps.parquet", _gaps())
    write_table(files.evaluation / "speakers.parquet", _speakers(errors, words, speaker))
    write_json(files.evaluation / "metrics.json", _metrics(cohorts))
    write_json(files.evaluation / "regression.json", {})  # nothing is declared
    origins = Origins(features="f" * 64, tokenizer="a" * 64,
                      models={name: model_digest(files.model(name)) for name in ("base", "ewc")})
    write_json(files.verdict_file, {**_verdict(verdict, cohorts, limits or {"max_gap": 0.5}),
                                    "origins": origins.to_json()})
    write_text(files.report, "<html>report</html>")
    write_text(files.model_card, "# Model card")
    write_text(files.dvc_lock, yaml.safe_dump({"stages": {"ingest": {"outs": [
        {"path": "artifacts/corpus", "md5": CORPUS_HASH}]}}}))
    return files


def _metrics(cohorts: Mapping[str, int]) -> dict[str, float]:
    figures = {f"wer/{model}/test/geographic/{name}": 0.06 for model in ("base", "ewc", "placebo") for name in cohorts}
    return {**figures, "wer/base/test/whole": 0.06, "wer/ewc/test/whole": 0.05,
            "gap/geographic/south/north/ewc/test": 0.4, "gap/geographic/hamlet/north/base/test": 0.9}


def _verdict(verdict: str, cohorts: Mapping[str, int], limits: Mapping[str, float]) -> dict[str, object]:
    found = [{"method": "geographic", "cohort": name, "against": "north", "speakers": count, "wer": 0.1, "gap": 0.4,
              "gap_at_least": 0.1, "gap_at_most": 0.7} for name, count in cohorts.items()]
    return {"verdict": verdict, "challenger": "ewc", "base": "base", "labelled": "recorded", "limits": dict(limits),
            "cohorts": found,
            "reasons": ["south of the geographic method makes 40 % more errors.",
                        "hamlet of the geographic method has 3 test speakers."],
            "undecided": ["harbour of the geographic method may make 70 % more errors."], "further": [],
            "healed": {"method": "geographic", "bottom": "south", "challenger": _changes("ewc"),
                       "controls": [_changes("placebo")], "sentence": "south -14 %"},
            "saving": None, "wanted": written(made_forecast("south", "north")),
            "regression": {"whole": {"relative": -0.1}, "geographic/harbour": {"relative": -0.2}}}


def _curve() -> pa.Table:
    return rows_table([{"step": step, "loss": 10.0 / step, "learning_rate": 0.001}
                       for step in (1, 2, 3)], CURVE)


def _changes(arm: str) -> dict[str, object]:
    change = {"relative": -0.14, "relative_low": -0.2, "relative_high": -0.08}
    return {"arm": arm, "bottom": change, "whole": change, "variance": change}


def _cohort_wer(cohorts: Mapping[str, int]) -> pa.Table:
    rows: list[dict[str, object]] = []
    for model in ("base", "ewc", "placebo"):
        for split in ("validate", "test"):
            rows.append(_wer_row(model, "whole", "whole", split, sum(cohorts.values())))
            rows += [_wer_row(model, "geographic", name, split, count) for name, count in cohorts.items()]
    return rows_table(rows, COHORT_WER)


def _wer_row(model: str, method: str, cohort: str, split: str, speakers: int) -> dict[str, object]:
    return {"model": model, "method": method, "cohort": cohort, "split": split, "speakers": speakers,
            "words": 100 * speakers, "errors": 6 * speakers, "wer": 0.06, "wer_low": 0.05, "wer_high": 0.07,
            "share": 0.25}


def _gaps() -> pa.Table:
    return rows_table([{"model": model, "method": "geographic", "split": "test", "cohorts": 4, "bottom": "south",
                        "top": "north", "bottom_share": 0.5, "gap_over_top": 0.4, "gap_over_top_low": 0.1,
                        "gap_over_top_high": 0.7, "gap_over_bottom": 0.3, "spread": 0.8, "null_spread": 0.2,
                        "null_spread_high": 0.4} for model in ("base", "ewc")], GAPS)


def _speakers(errors: Sequence[int], words: int, speaker: str) -> pa.Table:
    rows = [{"model": model, "split": split, "speaker": f"{speaker}-{number}", "words": words, "errors": count,
             "geographic": "north"}
            for model in ("base", "ewc") for split in ("validate", "test") for number, count in enumerate(errors)]
    return pa.Table.from_pylist(rows)
