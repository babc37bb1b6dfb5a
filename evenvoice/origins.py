"""Which model, features and tokenizer a result comes from, so that nothing is judged by another's figures.

Hypotheses carry the three digests, cohorts those of the base model's hypotheses, evaluation and verdict those of every
model they speak of. Whoever reads two of them compares, and refuses what does not belong together by its name.

    artifacts/features/contents.json           bytes and SHA-256 of every file: its own hash is the features' digest
    artifacts/models/<model>/config.json       holds the hashes of weights and units: its own is the model's digest
    artifacts/models/<model>/summary.json      features that it was trained on; of an arm also the base model,
                                               its title and whether it is a control
    artifacts/hypotheses/<model>/origin.json   model, features, tokenizer
    artifacts/cohorts/<method>/description.json, "origin"    those of the base model's hypotheses
    artifacts/evaluation/origins.json and reports/verdict.json, "origins"    features, tokenizer, every model
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from evenvoice.errors import ArtifactError
from evenvoice.params import MADE_FROM, SAVINGS
from evenvoice.storage import read_json, sha256, sha256_of_each, write_json

CONTENTS: Final = "contents.json"
MODEL_CONFIG: Final = "config.json"
SUMMARY: Final = "summary.json"
ORIGIN: Final = "origin.json"
ORIGINS: Final = "origins.json"
HEARING: Final = "hearing.json"
"""Beside a speaker encoder: how recordings become the features that it hears."""
RULES: Final = "rules.json"
"""Beside the cohorts that a method found: the frozen rule; and beside a model that is told them."""
WORKED: Final = "work.parquet"
"""Beside the hypotheses of a model with gates: what they let through."""
PLACED: Final = "placed.parquet"
"""Beside a model that is told cohorts: those of the speakers who are transcribed. No copy of the model that leaves the
workspace holds it."""


def model_digest(directory: Path) -> str:
    """Identity of a model.

    Raises:
        ArtifactError: there is none.
    """
    return _hash_of(directory / MODEL_CONFIG)


def features_digest(directory: Path) -> str:
    """Identity of features.

    Raises:
        ArtifactError: there are none.
    """
    return _hash_of(directory / CONTENTS)


def write_contents(directory: Path) -> None:
    """List bytes and SHA-256 of every file of ``directory``, once all of them are written."""
    files = sorted(path for path in directory.iterdir() if path.name != CONTENTS)
    write_json(directory / CONTENTS, {path.name: {"bytes": path.stat().st_size, "sha256": digest}
                                      for path, digest in zip(files, sha256_of_each(files), strict=True)})


def listed_files(directory: Path) -> list[str]:
    """Names of the files that the list of ``directory`` holds, in order, whether or not they are there.

    Raises:
        ArtifactError: the list is missing, or is none.
    """
    return sorted(read_json(directory / CONTENTS))


def check_contents(directory: Path, *, may_lack: Set[str] = frozenset()) -> None:
    """Refuse a directory that holds other files, or files of other lengths, than its list says.

    Content is not hashed: features are as large as a disk, and DVC hashed them when it brought them.

    Args:
        may_lack: names of files that need not be here, because others work on them.

    Raises:
        ArtifactError: a file is missing, of another length or not listed; it is named.
    """
    listed = {name: facts["bytes"] for name, facts in read_json(directory / CONTENTS).items()}
    found = {path.name: path.stat().st_size for path in directory.iterdir() if path.name != CONTENTS}
    for name in sorted((listed.keys() | found.keys()) - (may_lack - found.keys())):
        if listed.get(name) != found.get(name):
            wanted = _size(listed.get(name))
            raise ArtifactError(name=str(directory / name), rule=f"be as {CONTENTS} lists it ({wanted})",
                                value=_size(found.get(name)), action="Run the stage that writes it again.")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What the hypotheses of one model come from."""

    model: str
    features: str
    tokenizer: str

    @classmethod
    def of(cls, *, model: Path, features: Path) -> Self:
        """Those of a model and of the features that it reads."""
        return cls(model=model_digest(model), features=features_digest(features),
                   tokenizer=str(read_json(model / MODEL_CONFIG)["units_sha256"]))

    @classmethod
    def read(cls, content: object, source: str) -> Self:
        """Read what :meth:`to_json` gave.

        Raises:
            ArtifactError: it does not name all three.
        """
        names = ("model", "features", "tokenizer")
        if not (isinstance(content, Mapping) and all(isinstance(content.get(name), str) for name in names)):
            raise ArtifactError(name=source, rule=f"name the {', '.join(names)} that it comes from",
                                value=repr(content)[:80], action="Run the stage that writes it again.")
        return cls(**{name: content[name] for name in names})

    def to_json(self) -> dict[str, str]:
        """As plain values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Origins:
    """What the figures of several models come from."""

    features: str
    tokenizer: str
    models: Mapping[str, str]
    """Model -> its digest."""

    @classmethod
    def read(cls, content: object, source: str) -> Self:
        """Read what :meth:`to_json` gave.

        Raises:
            ArtifactError: it does not name features, tokenizer and models.
        """
        if not (isinstance(content, Mapping) and isinstance(content.get("models"), Mapping)
                and all(isinstance(content.get(name), str) for name in ("features", "tokenizer"))):
            raise ArtifactError(name=source, rule="name the features, tokenizer and models that it comes from",
                                value=repr(content)[:80], action="Run the stage that writes it again.")
        return cls(features=content["features"], tokenizer=content["tokenizer"], models=dict(content["models"]))

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {"features": self.features, "tokenizer": self.tokenizer, "models": dict(self.models)}

    def only(self, models: Iterable[str]) -> Origins:
        """The same without the other models.

        Raises:
            ArtifactError: one of these is not known.
        """
        wanted = dict.fromkeys(models)
        for model in wanted:
            if model not in self.models:
                raise ArtifactError(name=f"model {model!r}", rule="be one that was evaluated",
                                    value=f"only {', '.join(self.models)}", action="Run the evaluate stage again.")
        return Origins(features=self.features, tokenizer=self.tokenizer,
                       models={model: self.models[model] for model in wanted})

    def demand_models(self, models: Path, *, source: str, stage: str) -> None:
        """Refuse figures of other models than those that lie in ``models``, one directory each.

        Args:
            source: what holds the figures, for the message.
            stage: which stage writes it.

        Raises:
            ArtifactError: a model is missing or another one; it is named.
        """
        for model, digest in self.models.items():
            _demand(name=f"what {source} says of {model!r}", of=f"the model in {models / model}", found=digest,
                    wanted=model_digest(models / model), stage=stage)


def collect(*, hypotheses: Path, cohorts: Path, models: Path, names: Iterable[str], methods: Iterable[str],
            base: str) -> Origins:
    """Find out what hypotheses and cohorts come from, and that all of it belongs together.

    Args:
        hypotheses: with a directory for each of the models ``names``; so has ``models``.
        cohorts: with a directory for each of ``methods``.
        base: the model whose hypotheses the cohorts were found in, and which the other models were made from.

    Raises:
        ArtifactError: hypotheses or cohorts of another model, other features or another tokenizer; they are named.
    """
    of = {model: _origin(hypotheses / model / ORIGIN) for model in names}
    first = of[base]
    for model, origin in of.items():
        source, stage = f"hypotheses of {model!r}", f"transcribe@{model}"
        _demand(name=source, of=f"the model in {models / model}", found=origin.model,
                wanted=model_digest(models / model), stage=stage)
        _demand(name=source, of=f"the features that {base!r} heard", found=origin.features, wanted=first.features,
                stage=stage)
        _demand(name=source, of=f"the tokenizer of {base!r}", found=origin.tokenizer, wanted=first.tokenizer,
                stage=stage)
        _check_training(models / model, origin, base=None if model == base else first.model, stage=stage)
    for method in methods:
        path = cohorts / method / "description.json"
        found = Origin.read(read_json(path).get("origin"), f"{path}, origin")
        for part in ("model", "features", "tokenizer"):
            _demand(name=f"cohorts of {method!r}", of=f"the {part} behind the hypotheses of {base!r}",
                    found=getattr(found, part), wanted=getattr(first, part), stage=f"discover@{method}")
    return Origins(features=first.features, tokenizer=first.tokenizer,
                   models={model: origin.model for model, origin in of.items()})


def _check_training(model: Path, heard: Origin, *, base: str | None, stage: str) -> None:
    """A model is judged on the features it was trained on, and an arm beside the base model that it began with."""
    summary = read_json(model / SUMMARY)
    _demand(name=f"hypotheses of {model.name!r}", of="the features that the model was trained on", found=heard.features,
            wanted=str(summary.get("features")), stage=stage)
    if base is not None:
        _demand(name=f"the model in {model}", of="the base model that was transcribed", found=str(summary.get("base")),
                wanted=base, stage=stage_of(model.name))


def stage_of(model: str) -> str:
    """The stage that makes this model from the base model."""
    if model in MADE_FROM:
        return model
    return f"{'amortize' if model in SAVINGS else 'mitigate'}@{model}"


def demand_same(found: Origins, wanted: Origins, *, source: str, other: str, stage: str) -> None:
    """Refuse two results that are to be read together and come from different things.

    Raises:
        ArtifactError: they do; what differs is named.
    """
    for part in ("features", "tokenizer"):
        _demand(name=source, of=f"the {part} behind {other}", found=getattr(found, part), wanted=getattr(wanted, part),
                stage=stage)
    for model, digest in found.models.items():
        _demand(name=f"what {source} says of {model!r}", of=f"the model behind {other}", found=digest,
                wanted=wanted.models.get(model, "none"), stage=stage)


def _origin(path: Path) -> Origin:
    return Origin.read(read_json(path), str(path))


def _demand(*, name: str, of: str, found: str, wanted: str, stage: str) -> None:
    if found != wanted:
        raise ArtifactError(name=name, rule=f"come from {of} ({wanted[:12]})", value=f"another one ({found[:12]})",
                            action=f"Run {stage} again: make run FORCE_STAGE={stage}.")


def _hash_of(path: Path) -> str:
    if not path.is_file():
        raise ArtifactError(name=str(path), rule="exist", value="no such file",
                            action="Run the stage that writes it (`dvc dag` shows which).")
    return sha256(path)


def _size(size: int | None) -> str:
    return "no such file" if size is None else f"{size} bytes"
