"""Models that are nothing but an identity, and the origins of whatever is said to come from them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from evenvoice.origins import MODEL_CONFIG, SUMMARY, Origin, Origins, model_digest
from evenvoice.params import BASE
from evenvoice.storage import write_json

FEATURES = "f" * 64
UNITS = "a" * 64
CONTROLS = ("placebo", "dense")
NO_ORIGINS = Origins(features=FEATURES, tokenizer=UNITS, models={})
"""Of figures that no model made."""


def write_identity(models: Path, model: str, **summary: object) -> Origin:
    """Write what makes ``model`` this model and no other; returns the origin of its hypotheses."""
    write_json(models / model / MODEL_CONFIG, {"units_sha256": UNITS, "weights_sha256": f"weights of {model}"})
    arm = {} if model == BASE else {"base": write_identity(models, BASE, **summary).model, "title": f"The arm {model}",
                                    "control": model in CONTROLS}
    if not (models / model / SUMMARY).exists():
        write_json(models / model / SUMMARY, {**summary, "features": FEATURES, **arm})
    return Origin(model=model_digest(models / model), features=FEATURES, tokenizer=UNITS)


def made_origins(models: Path, names: Iterable[str]) -> Origins:
    """What an evaluation of these models carries."""
    return Origins(features=FEATURES, tokenizer=UNITS,
                   models={model: write_identity(models, model).model for model in names})
