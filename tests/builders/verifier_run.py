"""What a finished run of train_verifier leaves behind, tiny."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
import yaml

from evenvoice.data.schemas import CURVE, HEARD, VERIFICATION, VERIFICATION_GAPS
from evenvoice.data.tables import rows_table, write_table
from evenvoice.origins import model_digest
from evenvoice.params import load_params
from evenvoice.speakers.encoder import SpeakerEncoder, SpeakerEncoderConfig
from evenvoice.storage import write_json, write_text
from evenvoice.tracking.verifier import VerifierFiles
from tests.builders.run_files import CORPUS_HASH, ROOT
from tests.builders.verification import scored, write_trials

SIZES = {"female": 30, "male": 20, "other": 3}


def tiny_encoder(directory: Path, seed: int = 0) -> Path:
    """An untrained speaker encoder that hears as params.yaml says."""
    torch.manual_seed(seed)
    params = load_params(ROOT / "params.yaml")
    n_mels = params.featurize.n_mels
    directory.mkdir(parents=True)
    SpeakerEncoder(SpeakerEncoderConfig(encoder="conv", n_mels=n_mels, width=16, embedding=8),
                   np.full(n_mels, -8, np.float32), np.full(n_mels, 3, np.float32)).save(directory)
    write_json(directory / "hearing.json", {"sample_rate": params.ingest.sample_rate,
                                            "featurize": params.featurize.model_dump()})
    return directory


def write_verifier_run(workspace: Path, *, verdict: str = "PASS", distance: float = 3.0, seed: int = 0
                       ) -> VerifierFiles:
    """Fill ``workspace`` with a run whose challenger is ``pw``; test scores lie ``distance`` apart."""
    files = VerifierFiles(workspace)
    for number, name in enumerate(("none", "pw")):
        tiny_encoder(files.model(name), seed=2 * seed + number)
        write_table(files.model(name) / "curve.parquet", rows_table(
            [{"step": step, "loss": 1.0 / step, "learning_rate": 0.001} for step in (1, 2)], CURVE))
        write_json(files.model(name) / "summary.json", {"parameters": 10})
        heard = {split: scored([distance + number / 10] * 2, seed=place) for place, split in enumerate(HEARD)}
        write_trials(files.trials(name).parent, heard, {"model": model_digest(files.model(name)), "features": "f"})
    shutil.copyfile(ROOT / "params.yaml", files.params_file)
    write_table(files.evaluation / "rates.parquet", rows_table(_rates(), VERIFICATION))
    write_table(files.evaluation / "gaps.parquet", rows_table(_gaps(), VERIFICATION_GAPS))
    write_json(files.evaluation / "figures.json", {name: {"min_dcf_0.05": 0.2, "cllr": 0.1} for name in ("none", "pw")})
    write_json(files.evaluation / "calibrations.json", {
        name: {"scale": 10.0, "offset": -5.0, "target_prior": 0.5} for name in ("none", "pw")})
    origins = {"features": "f", "models": {name: model_digest(files.model(name)) for name in ("none", "pw")}}
    write_json(files.verdict_file, _verdict(verdict, origins))
    write_text(files.report, "<html>report</html>")
    write_text(files.model_card, "# Model card")
    write_text(files.dvc_lock, yaml.safe_dump({"stages": {"ingest": {"outs": [
        {"path": "artifacts/corpus", "md5": CORPUS_HASH}]}}}))
    return files


def _verdict(verdict: str, origins: dict[str, object]) -> dict[str, object]:
    groups = [{"partition": "gender", "group": name, "against": "male", "kind": "miss", "speakers": count, "gap": 0.4,
               "gap_at_least": 0.1, "gap_at_most": 0.7} for name, count in SIZES.items()]
    return {"verdict": verdict, "challenger": "pw", "base": "none", "labelled": "recorded", "limits": {"max_gap": 0.5},
            "reasons": ["female (gender) are refused as themselves 40 % more often.",
                        "other (gender) has 3 test speakers."],
            "undecided": [], "further": [], "groups": groups, "origins": origins, "whole": {"eer": 0.05},
            "regression": [{"scope": "whole", "relative": -0.1}, {"scope": "gender/other", "relative": 0.1}]}


def _rates() -> list[dict[str, object]]:
    scopes = {("whole", "whole"): sum(SIZES.values()), **{("gender", name): count for name, count in SIZES.items()}}
    return [{"model": model, "split": split, "partition": partition, "group": group, "speakers": count,
             "same_trials": 10 * count, "different_trials": 100, "eer": 0.05, "eer_low": 0.04, "eer_high": 0.06,
             "miss": 0.05, "miss_low": 0.04, "miss_high": 0.06, "false_alarm": 0.05, "false_alarm_low": 0.04,
             "false_alarm_high": 0.06}
            for model in ("none", "pw") for split in HEARD for (partition, group), count in scopes.items()]


def _gaps() -> list[dict[str, object]]:
    return [{"model": model, "partition": "gender", "groups": 3, "bottom": "female", "top": "male", "figure": figure,
             "value": 0.02, "low": 0.01, "high": 0.03, "change": 0.0, "change_low": -0.01, "change_high": 0.01}
            for model in ("none", "pw") for figure in ("gap", "spread")]
