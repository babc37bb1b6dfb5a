"""What a run's stages hand to each other where they share no disk: a few small objects beside the DVC remote.

    <root>/cache/                        the DVC remote: every result, by its hash, see worker/results.py
    <root>/runs/<run>/settings.json      parameters, graph, corpus, watched, base dvc.lock, digest of code; once
    <root>/runs/<run>/fragments/<stage>  that stage's entry of dvc.lock; once, when its results are in the remote
    <root>/runs/<run>/made_with/<stage>  what that result was made with, and whether this run made it
    <root>/runs/<run>/owners/<stage>     which worker may speak for that stage, see worker/fence.py
    <root>/runs/<run>/checkpoints/<stage>/   of a training that is not finished, see worker/checkpoint_copies.py
    <root>/made_with/                    what every result was made with, see evenvoice/made_with.py

A stage is done when its fragment is there. The first fragment stands: whatever another try of the same stage computes,
all later stages read the results that the first one names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from evenvoice.errors import ArtifactError, TransientError
from evenvoice.made_with import MadeWith, record_name
from evenvoice.object_store import ObjectStore
from worker.results import Results
from worker.traffic import CountedStore, Traffic

SETTINGS: Final = "settings.json"
Entry = Mapping[str, Any]
"""One stage of dvc.lock: cmd, deps, params, outs."""


@dataclass(frozen=True)
class Settings:
    """All that a stage needs beside the image and the results of the stages before it."""

    params: str
    """Text of params.yaml."""
    graph: str
    """Text of dvc.yaml, without the stages that the run leaves out."""
    corpus: str
    """Text of corpus.json."""
    watched: str
    """Text of watched.json."""
    lock: str
    """Text of the dvc.lock that the run began with; empty where nothing is known."""
    code: str
    """Digest by :mod:`evenvoice.code_digest`."""
    upstream: Mapping[str, tuple[str, ...]]
    """Stage -> the stages it reads from."""


class Exchange:
    """The objects of one run."""

    def __init__(self, url: str, remote: str) -> None:
        self.traffic = Traffic()
        """All that goes through this object."""
        self.store: ObjectStore = CountedStore.counted(url, self.traffic)
        self.remote = remote
        """Address of the DVC remote that all runs share."""
        self._settings: Settings | None = None

    @classmethod
    def at(cls, url: str) -> Exchange:
        """Open ``s3://bucket/root/runs/<run>``; nothing is asked of the store yet.

        Raises:
            ParamsError: the address is malformed.
        """
        return cls(url, url.rstrip("/").rsplit("/", 2)[0] + "/cache")

    def results(self, cache: Path) -> Results:
        """The results of all runs, for a machine with this cache of DVC's."""
        return Results(CountedStore.counted(self.remote, self.traffic), cache)

    def open(self, settings: Settings) -> None:
        """Publish what the run's stages need, or do nothing when the run has begun: what is known by now differs then.

        Raises:
            ArtifactError: the run began with other parameters, corpus or code.
        """
        if self.store.exists(SETTINGS):
            settings = replace(settings, lock=self.settings().lock)
        self.store.create(SETTINGS, _canonical(asdict(settings)))

    def settings(self) -> Settings:
        """Read what the run began with; once, since it never changes.

        Raises:
            ArtifactError: missing, damaged, or of another form.
        """
        if self._settings is None:
            self._settings = self._read_settings()
        return self._settings

    def _read_settings(self) -> Settings:
        content = _parsed(self.store.read(SETTINGS), self.store.url(SETTINGS))
        try:
            upstream = {stage: tuple(names) for stage, names in content["upstream"].items()}
            return Settings(**{**content, "upstream": upstream})
        except (KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(name=self.store.url(SETTINGS), rule="hold the settings of a run", value=repr(error),
                                action="Start a new run; image and control plane must be of one version.") from error

    def fragment(self, stage: str) -> Entry | None:
        """Return the published entry of ``stage``, or None while it is not done.

        Raises:
            ArtifactError: the object is damaged.
        """
        key = _key(stage)
        if not self.store.exists(key):
            return None
        entry: Entry = _parsed(self.store.read(key), self.store.url(key))
        return entry

    def publish(self, stage: str, entry: Entry) -> None:
        """Say that ``stage`` is done. Its results must be in the remote by now.

        Raises:
            TransientError: another try was first, with other results; the next try takes those over.
        """
        first = self.fragment(stage)
        if first is not None and _canonical(first) != _canonical(entry):
            raise TransientError(name=self.store.url(_key(stage)), rule="stay what was published first",
                                 value=f"other results: {_outs(entry)} where {_outs(first)} stands",
                                 action="The first results stand; the stage is tried again and takes them over.")
        self.store.create(_key(stage), _canonical(entry))

    def made_with(self, stage: str, entry: Entry) -> MadeWith | None:
        """What these outputs of ``stage`` were made with in any run, or None where nobody said so.

        Raises:
            ArtifactError: the object is damaged.
        """
        records, key = self._records, record_name(stage, entry)
        return MadeWith.from_json(_parsed(records.read(key), records.url(key))) if records.exists(key) else None

    def tell_made_with(self, stage: str, entry: Entry, told: Mapping[str, Any]) -> None:
        """Say what the outputs of ``stage`` were made with; for all runs where this one made them."""
        self.store.write(f"made_with/{stage}", _canonical(told))
        if told["executed"]:
            self._records.write(record_name(stage, entry), _canonical(told["made_with"]))

    def told_made_with(self, stage: str) -> dict[str, Any] | None:
        """What :meth:`tell_made_with` said in this run."""
        key = f"made_with/{stage}"
        if not self.store.exists(key):
            return None
        told: dict[str, Any] = _parsed(self.store.read(key), self.store.url(key))
        return told

    @property
    def _records(self) -> ObjectStore:
        return CountedStore.counted(self.remote.rsplit("/", 1)[0] + "/made_with", self.traffic)


def _key(stage: str) -> str:
    return f"fragments/{stage}"


def _outs(entry: Entry) -> str:
    return ", ".join(f"{out['path']} {out['md5'][:12]}" for out in entry.get("outs", ()))


def _canonical(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False).encode()


def _parsed(content: bytes, name: str) -> Any:
    try:
        parsed = json.loads(content)
    except ValueError as error:
        raise ArtifactError(name=name, rule="be JSON", value=str(error),
                            action="Start a new run: the object is damaged.") from error
    if not isinstance(parsed, dict):
        raise ArtifactError(name=name, rule="hold a dict", value=type(parsed).__name__,
                            action="Start a new run: the object is damaged.")
    return parsed
