"""What a finished run left in its workspace; the paths are those of dvc.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from evenvoice import dvc_lock
from evenvoice.errors import ArtifactError
from evenvoice.origins import Origins
from evenvoice.params import AMORTIZED, BASE, DENSE
from evenvoice.storage import read_json

VERDICTS = ("PASS", "FAIL", "INSUFFICIENT")


@dataclass(frozen=True)
class RunFiles:
    """A workspace of train_asr, seen by what the effects need from it."""

    workspace: Path

    @property
    def evaluation(self) -> Path:
        """Directory of the evaluation's tables."""
        return self.workspace / "artifacts/evaluation"

    @property
    def verdict_file(self) -> Path:
        """The gate's verdict."""
        return self.workspace / "reports/verdict.json"

    @property
    def report(self) -> Path:
        """The self-contained page."""
        return self.workspace / "reports/index.html"

    @property
    def model_card(self) -> Path:
        """The model card."""
        return self.workspace / "reports/model_card.md"

    @property
    def params_file(self) -> Path:
        """The parameters of this run."""
        return self.workspace / "params.yaml"

    @property
    def dvc_lock(self) -> Path:
        """Hashes of everything this run read and wrote."""
        return self.workspace / "dvc.lock"

    @property
    def run_description(self) -> Path:
        """What started the run; only workspaces made by a DAG run have one."""
        return self.workspace / "run.json"

    def made_with(self) -> dict[str, Any]:
        """Stage -> what its result was made with, whether this run made it, and how that differs from today."""
        return {path.stem: read_json(path) for path in sorted((self.workspace / ".made_with").glob("*.json"))}

    @property
    def events(self) -> Path:
        """What stages reported while they worked; beside the workspace of a DAG run."""
        return self.workspace / "../progress.jsonl"

    def model(self, name: str) -> Path:
        """Directory of a trained model: ``base`` or a mitigation arm."""
        return self.workspace / "artifacts/models" / name

    def compute(self, name: str) -> Path:
        """Compute per second of audio of a model."""
        return self.workspace / "artifacts/hypotheses" / name / "compute.json"

    @cached_property
    def judgement(self) -> Mapping[str, Any]:
        """The parsed verdict.json.

        Raises:
            ArtifactError: it is missing, is not JSON, or names no verdict or challenger.
        """
        content: Any = read_json(self.verdict_file)
        found = content.get("verdict") if isinstance(content, dict) else None
        if found not in VERDICTS:
            raise ArtifactError(name=f"{self.verdict_file}, verdict", rule=f"be one of {', '.join(VERDICTS)}",
                                value=repr(found), action="Run the stage `gate` again.")
        if not isinstance(content.get("challenger"), str):
            raise ArtifactError(name=f"{self.verdict_file}, challenger", rule="name a model",
                                value=repr(content.get("challenger")), action="Run the stage `gate` again.")
        return cast(Mapping[str, Any], content)

    @property
    def verdict(self) -> str:
        """PASS, FAIL or INSUFFICIENT."""
        return str(self.judgement["verdict"])

    @property
    def challenger(self) -> str:
        """The model that was judged."""
        return str(self.judgement["challenger"])

    @property
    def speech(self) -> str:
        """What the speech is called: recorded, synthetic, or semi-synthetic.

        Raises:
            ArtifactError: the verdict does not say.
        """
        if not isinstance(labelled := self.judgement.get("labelled"), str):
            raise ArtifactError(name=f"{self.verdict_file}, labelled", rule="say what the speech is",
                                value=repr(labelled), action="Run the stage `gate` again.")
        return labelled

    def demand_one_origin(self) -> None:
        """See that every stage read what the stages before it made, and that the verdict is about the models here.

        Raises:
            ArtifactError: it is about something else, which is named.
        """
        self.demand_agreement()
        origins = Origins.read(self.judgement.get("origins"), f"{self.verdict_file}, origins")
        origins.only(self.models).demand_models(self.workspace / "artifacts/models", source=str(self.verdict_file),
                                                stage="gate")

    def demand_agreement(self) -> None:
        """See that every stage read what the stages before it made.

        Raises:
            ArtifactError: one did not; it is named.
        """
        dvc_lock.demand_agreement(dvc_lock.entries(self.dvc_lock), name=str(self.dvc_lock))

    @property
    def models(self) -> tuple[str, ...]:
        """The base model and the challenger, which may be the same, and the control that an amortized one has."""
        return tuple(dict.fromkeys((BASE, *((DENSE,) if self.challenger == AMORTIZED else ()), self.challenger)))

    def data_hash(self) -> str:
        """The hash DVC gave the ingested corpus.

        Raises:
            ArtifactError: dvc.lock is missing or does not hold it.
        """
        try:
            outs = dvc_lock.entries(self.dvc_lock)["ingest"]["outs"]
            return next(str(out["md5"]) for out in outs if out["path"] == "artifacts/corpus")
        except (KeyError, TypeError, StopIteration) as error:
            raise ArtifactError(name=str(self.dvc_lock), rule="hold the hash of artifacts/corpus",
                                value=f"{type(error).__name__}: {error}",
                                action="Run `dvc repro` in this workspace until it ends without an error.") from error

    def required(self, path: Path) -> Path:
        """``path``, known to exist.

        Raises:
            ArtifactError: it does not.
        """
        if not path.exists():
            raise ArtifactError(name=str(path), rule="exist", value="no such file",
                                action="Run the stage that writes it (`dvc dag` shows which).")
        return path
