"""Corpora of the bake-off, prepared by the pipeline's own stages."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from evenvoice.errors import WorkspaceError
from evenvoice.params import overlay
from evenvoice.storage import write_text

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("ingest", "featurize", "tokenizer")


@dataclass(frozen=True)
class Corpus:
    """A corpus by the profile that fits it, and where its speech lies."""

    name: str
    profile: str | None
    speech: str

    @classmethod
    def parse(cls, text: str) -> Corpus:
        """``synthetic``, or ``profile=path`` for recorded speech."""
        profile, _, speech = text.partition("=")
        return cls(profile, profile if speech else None, speech or "synthetic")


def prepare(corpus: Corpus, work: Path, listen_first_s: float | None = None, *, seed: int | None = None,
            changes: Mapping[str, Any] | None = None) -> None:
    """Write ``work/<corpus>/params.yaml`` and run the stages that make features, unless that was done before.

    Args:
        seed: of the corpus and its splits, in a folder of its own; without it that of params.yaml.
        changes: of parameters, laid over the others.

    Raises:
        WorkspaceError: it was done before, and its trainings listened first for another time.
    """
    place = work / (corpus.name if seed is None else f"{corpus.name}-{seed}")
    done = place / "prepared"
    values = _values(corpus) if listen_first_s is None else overlay(
        _values(corpus), {"train": {"listen_first_s": listen_first_s}})
    values = overlay(values, {**({} if seed is None else {"seed": seed}), **(changes or {})})
    if done.exists():
        kept = yaml.safe_load((place / "params.yaml").read_text(encoding="utf-8"))["train"]["listen_first_s"]
        if kept != values["train"]["listen_first_s"]:
            raise WorkspaceError(name=str(place), value=f"those of {kept}", action="Give another folder with --work.",
                                 rule=f"hold trainings with train.listen_first_s {values['train']['listen_first_s']}")
        return
    write_text(place / "params.yaml", yaml.safe_dump(values, sort_keys=False))
    env = {**os.environ, "PYTHONPATH": str(ROOT), "EVENVOICE_HOME": str(place / "home")}
    for stage in STAGES:
        subprocess.run([sys.executable, "-m", f"stages.{stage}"], cwd=place, env=env, check=True)  # noqa: S603
    done.touch()


def _values(corpus: Corpus) -> dict[str, Any]:
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    if corpus.profile is not None:
        profile = ROOT / "profiles" / f"{corpus.profile}.yaml"
        values = overlay(values, yaml.safe_load(profile.read_text(encoding="utf-8")))
    return overlay(values, {"ingest": {"corpus": corpus.speech}})
