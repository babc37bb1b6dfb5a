"""Whether what is to be evaluated together comes from the same mixtures and the same models."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from evenvoice.errors import ArtifactError
from evenvoice.metrics.partitions import DESCRIPTION
from evenvoice.multitalker.evidence import CHALLENGER
from evenvoice.origins import ORIGIN, SUMMARY, Origin, features_digest, model_digest
from evenvoice.storage import read_json

PARTS: Final = ("model", "base", "mixtures")


def origins_of(*, turns: Path, models: Path, base_model: Path, mixtures: Path, cohorts: Path) -> dict[str, str]:
    """Digests of the model, the base model and the mixtures, once everything is known to come from them.

    Args:
        cohorts: those of one method, which were found in what the base model heard.

    Raises:
        ArtifactError: turns, the model or cohorts come from something else; both are named.
    """
    model = models / CHALLENGER
    wanted = {"model": model_digest(model), "base": model_digest(base_model), "mixtures": features_digest(mixtures)}
    where = {"model": f"the model in {model}", "base": f"the base model in {base_model}",
             "mixtures": f"the mixtures in {mixtures}"}
    heard, trained = read_json(turns / ORIGIN), read_json(model / SUMMARY)
    for part in PARTS:
        _demand(f"turns in {turns}", where[part], heard.get(part), wanted[part])
    for part in ("base", "mixtures"):
        _demand(f"the model in {model}", where[part], trained.get(part), wanted[part])
    found = Origin.read(read_json(cohorts / DESCRIPTION).get("origin"), f"{cohorts / DESCRIPTION}, origin")
    _demand(f"cohorts in {cohorts}", where["base"], found.model, wanted["base"])
    return wanted


def _demand(name: str, of: str, found: object, wanted: str) -> None:
    if found != wanted:
        raise ArtifactError(name=name, rule=f"come from {of} ({wanted[:12]})", value=f"another ({str(found)[:12]})",
                            action="Run the stage that writes them again (`dvc dag` shows which).")
