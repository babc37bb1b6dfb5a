"""What a training of the speaker encoder leaves on disk."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from evenvoice.data.schemas import CURVE, WEIGHING
from evenvoice.data.tables import rows_table, write_table
from evenvoice.origins import HEARING, SUMMARY, features_digest
from evenvoice.params import Featurize
from evenvoice.speakers.training import Fitted
from evenvoice.storage import fresh_directory, write_json


def write_trained(out: Path, fitted: Fitted, *, features: Path, featurize: Featurize, sample_rate: int,
                  weighting: str) -> None:
    """Write model, how it hears, curve, weighing and summary to ``out``."""
    rows: list[dict[str, object]] = [{**asdict(step), "executed_share": None} for step in fitted.curve]
    with fresh_directory(out) as draft:
        fitted.encoder.save(draft)
        write_json(draft / HEARING, {"sample_rate": sample_rate, "featurize": featurize.model_dump()})
        write_table(draft / "curve.parquet", rows_table(rows, CURVE))
        write_table(draft / "weighing.parquet", rows_table(fitted.weighing, WEIGHING))
        write_json(draft / SUMMARY, {
            "weighting": weighting, "parameters": sum(weights.numel() for weights in fitted.encoder.parameters()),
            "steps": len(fitted.curve), "train_speakers": fitted.speakers, "features": features_digest(features)})
