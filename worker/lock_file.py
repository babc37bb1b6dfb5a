"""dvc.lock as data: entries are read, and laid over others, by the name of their stage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from evenvoice.errors import ArtifactError
from evenvoice.storage import write_text

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def entries(path: Path) -> dict[str, Any]:
    """Stage -> its entry; empty where there is no file.

    Raises:
        ArtifactError: the file is no dvc.lock.
    """
    return parse(path.read_text(encoding="utf-8"), str(path)) if path.exists() else {}


def parse(text: str, name: str) -> dict[str, Any]:
    """:func:`entries` of a text; ``name`` is for the error."""
    try:
        content = yaml.load(text, Loader=_LOADER) or {}  # noqa: S506 - a safe loader
        return dict(content.get("stages", {}))
    except (yaml.YAMLError, AttributeError, TypeError) as error:
        raise ArtifactError(name=name, rule="be a dvc.lock", value=" ".join(str(error).split())[:200],
                            action="Delete it; DVC finds out again what has to run.") from error


def write(path: Path, stages: Mapping[str, Any]) -> None:
    """Write a dvc.lock, whole or not at all."""
    content = {"schema": "2.0", "stages": dict(stages)}
    write_text(path, yaml.dump(content, Dumper=_DUMPER, sort_keys=False, width=1000))
