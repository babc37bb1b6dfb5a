"""dvc.lock as data: which content each stage read and wrote, and whether what was read is what was written.

Nothing here imports DVC; the file is YAML. Entries are read, and laid over others, by the name of their stage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evenvoice import settings
from evenvoice.errors import ArtifactError, ParamsError
from evenvoice.storage import write_text

Entries = Mapping[str, Any]
"""Stage -> its entry: cmd, deps, params, outs."""


def entries(path: Path) -> dict[str, Any]:
    """Stage -> its entry; empty where there is no file.

    Raises:
        ArtifactError: the file is no dvc.lock.
    """
    return parse(path.read_text(encoding="utf-8"), str(path)) if path.exists() else {}


def parse(text: str, name: str) -> dict[str, Any]:
    """:func:`entries` of a text; ``name`` is for the error."""
    try:
        content = settings.parse(text, name).content or {}
        return dict(content.get("stages", {}))
    except (ParamsError, AttributeError, TypeError) as error:
        raise ArtifactError(name=name, rule="be a dvc.lock", value=" ".join(str(error).split())[:200],
                            action="Delete it; DVC finds out again what has to run.") from error


def parse_entry(text: str, name: str) -> dict[str, Any]:
    """Read the entry of one stage alone, as DVC's run-cache keeps it; ``name`` is for the error.

    Raises:
        ArtifactError: it is none, or names no outputs with their hashes.
    """
    try:
        content = settings.parse(text, name).content
    except ParamsError as error:
        raise ArtifactError(name=name, rule="be an entry of dvc.lock", value=" ".join(str(error).split())[:200],
                            action="Delete it; the stage runs again.") from error
    if not _part(name, content, "outs"):
        raise ArtifactError(name=name, rule="name its outputs", value="none", action="Delete it; the stage runs again.")
    return dict(content)


def write(path: Path, stages: Entries) -> None:
    """Write a dvc.lock, whole or not at all.

    One hash in a million looks like a number (``123e45...``), so it is written as DVC reads it.
    """
    write_text(path, settings.dump({"schema": "2.0", "stages": dict(stages)}))


@dataclass(frozen=True)
class Disagreement:
    """A stage read another content of a path than the stage that writes the path made."""

    stage: str
    path: str
    read: str
    writer: str
    made: str

    def __str__(self) -> str:
        return f"{self.stage} read {self.path} {self.read[:12]}, {self.writer} made {self.made[:12]}"


def disagreements(stages: Entries, of: str | None = None) -> list[Disagreement]:
    """Where a stage did not read what the stage before it made; of one stage where ``of`` names it.

    A verdict behind such a place is about something else than the files beside it.

    Raises:
        ArtifactError: an entry lacks its paths or hashes.
    """
    made = {out["path"]: (stage, out["md5"]) for stage, entry in stages.items() for out in _part(stage, entry, "outs")}
    found = []
    for stage in stages if of is None else [of]:
        for dep in _part(stage, stages[stage], "deps"):
            writer, md5 = made.get(dep["path"], ("", dep["md5"]))
            if md5 != dep["md5"]:
                found.append(Disagreement(stage, dep["path"], str(dep["md5"]), writer, str(md5)))
    return found


def demand_agreement(stages: Entries, *, name: str, of: str | None = None) -> None:
    """Refuse entries that disagree; ``name`` says where they stand.

    Raises:
        ArtifactError: a stage read another content than was made.
    """
    found = disagreements(stages, of)
    if found:
        raise ArtifactError(
            name=name, rule="say that every stage read what the stages before it made",
            value=f"{'; '.join(map(str, found[:3]))}{f' and {len(found) - 3} more' if len(found) > 3 else ''}",
            action=f"Run {_all(found)} again: make run FORCE_STAGE={found[0].stage}.")


def _part(stage: str, entry: Any, kind: str) -> list[Mapping[str, Any]]:
    part = entry.get(kind, []) if isinstance(entry, Mapping) else None
    if not isinstance(part, list) or not all(isinstance(one, Mapping) and {"path", "md5"} <= one.keys()
                                             for one in part):
        raise ArtifactError(name=f"{kind} of {stage} in dvc.lock", rule="each have a path and an md5",
                            value=repr(part)[:80], action="Delete dvc.lock; DVC finds out again what has to run.")
    return part


def _all(found: Iterable[Disagreement]) -> str:
    return ", ".join(dict.fromkeys(one.stage for one in found))
