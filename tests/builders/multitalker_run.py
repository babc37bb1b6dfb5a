"""What a finished run of train_multitalker leaves behind, tiny."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml

from evenvoice.data.schemas import CURVE
from evenvoice.data.tables import rows_table, write_table
from evenvoice.models.recogniser import Recogniser
from evenvoice.origins import model_digest
from evenvoice.params import BASE, load_params
from evenvoice.report.multitalker import Sources, read_multitalker, render_multitalker, render_multitalker_card
from evenvoice.storage import read_json, write_json, write_text
from evenvoice.tracking.multitalker import MultitalkerFiles
from tests.builders.models import tiny_recogniser
from tests.builders.multitalker_tables import Group, write_multitalker
from tests.builders.run_files import CORPUS_HASH, ROOT
from tests.builders.talkers import tiny_multitalker

MODEL: Final = "multitalker"
SIZES: Final = {"slow": 30, "fast": 20, "other": 3}
"""Test speakers of each group; speakers are called after it."""


def talkative(seed: int) -> Recogniser:
    """An untrained recogniser of two talkers that nevertheless writes turns."""
    recogniser = tiny_multitalker(width=32, seed=seed)
    recogniser.transducer.joiner.output.weight.data *= 20
    return recogniser


def write_multitalker_run(workspace: Path, *, verdict: str = "PASS", wer: float = 0.1, seed: int = 0,
                          sizes: Mapping[str, int] = SIZES) -> MultitalkerFiles:
    """Fill ``workspace`` with a run.

    Args:
        wer: share of words that go wrong.
        seed: of the model, and of who spoke when.
    """
    files = MultitalkerFiles(workspace)
    made = write_multitalker(workspace / "made", {name: Group(count, wer=wer) for name, count in sizes.items()},
                             seed=seed)
    shutil.move(made.evaluation, files.evaluation)
    origins = _write_models(files, seed)
    write_json(files.evaluation / "origins.json", origins)
    write_json(files.verdict_file, {**read_json(made.verdict), "verdict": verdict, "origins": origins})
    write_json(files.compute_file, {name: {"macs_per_audio_s": 3e6, "labels_per_audio_s": 12.0, "parameters": 10}
                                    for name in (MODEL, BASE)})
    shutil.copyfile(ROOT / "params.yaml", files.params_file)
    _write_report(files, made)
    write_text(files.dvc_lock, yaml.safe_dump({"stages": {"ingest": {"outs": [
        {"path": "artifacts/corpus", "md5": CORPUS_HASH}]}}}))
    return files


def _write_models(files: MultitalkerFiles, seed: int) -> dict[str, str]:
    origins = {"mixtures": "c" * 64}
    for part, name, recogniser in (("base", BASE, tiny_recogniser(seed=1)), ("model", MODEL, talkative(seed))):
        recogniser.save(files.model(name))
        write_table(files.model(name) / "curve.parquet", rows_table(
            [{"step": step, "loss": 1.0 / step, "learning_rate": 0.001} for step in (1, 2)], CURVE))
        origins[part] = model_digest(files.model(name))
    write_json(files.model(MODEL) / "summary.json", {"parameters": 10, "steps": 2, "audio_s": 100.0, "tokens": "turns",
                                                     "mixtures": origins["mixtures"], "base": origins["base"]})
    return origins


def _write_report(files: MultitalkerFiles, made: Sources) -> None:
    params = load_params(files.params_file)
    contents = read_multitalker(Sources(mixtures=made.mixtures, evaluation=files.evaluation,
                                        verdict=files.verdict_file, models=files.model(MODEL).parent), minimum=5)
    write_text(files.report, render_multitalker(contents, seed=params.seed))
    write_text(files.model_card, render_multitalker_card(contents, ingest=params.ingest))
