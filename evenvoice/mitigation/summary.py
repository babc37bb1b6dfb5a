"""What an arm says of itself in its summary.json, and what it leaves where there is nothing to train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evenvoice.mitigation.arm import Arm
from evenvoice.models.recogniser import Recogniser
from evenvoice.origins import features_digest, model_digest
from evenvoice.progress import Progress
from evenvoice.training.curve import Curve
from evenvoice.training.trained import write_trained


def summary_of(arm: Arm, *, base: Path, features: Path) -> dict[str, Any]:
    """Title, whether it is a control, and what it comes from."""
    return {"title": arm.title, "control": arm.control, "base": model_digest(base),
            "features": features_digest(features)}


def pass_on(out: Path, base: Recogniser, summary: dict[str, Any], progress: Progress, method: str) -> None:
    """Write the base model as the arm's where ``method`` found nobody to help."""
    progress.note(f"{method} found no cohort that is worse off: the base model is passed on unchanged")
    write_trained(out, base, Curve(), **summary, bottom_speakers=0, recordings=0)
