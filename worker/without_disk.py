"""A stage where nothing is shared but an object store: furnish a workspace, run, send, publish.

The workspace is the current directory, made from the code of the image, the settings of the run and the fragments of
the stages before. What any earlier run computed from the same command, inputs, parameters and code is published again,
and neither inputs nor results are fetched for that; otherwise the inputs are, and the stage runs. Results are in the
remote before the fragment says so.

DVC itself takes an input that is not there for one that has not changed. So it is never asked whether a stage changed:
it is asked for the key of the stage in its run-cache, with the hashes of this run's inputs, and runs what has none.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Final

import worker
from evenvoice import dvc_lock
from evenvoice.code_digest import STAGE_CODE, tree_digest
from evenvoice.data.pieces import Shard, list_beside, units_among
from evenvoice.data.shares import files_of_machine
from evenvoice.errors import ArtifactError, PreflightError, TransientError
from evenvoice.settings import parse
from evenvoice.storage import read_json, write_json, write_text
from worker import dvc_door
from worker.bringing_up import FOLDER, LOCK, Wish, bring_up_to_date
from worker.checkpoint_copies import CheckpointCopies
from worker.exchange import Exchange, Settings
from worker.fence import Fence
from worker.machines import Machine
from worker.piece_copies import fetch_pieces, send_pieces
from worker.reproduce import Attempt
from worker.results import AT_ONCE, ResultFile, at_once
from worker.shard import compute_shard, take_part

CACHE: Final = Path(".dvc/cache")
CODE: Final = Path(worker.__file__).resolve().parents[1]
CHECKPOINTS: Final = Path("checkpoints")
Needed = Callable[[str, Sequence[str]], Sequence[str]]
"""Path of an input and the names of its files -> those that are needed here."""


def reproduce_without_disk(stage: str, url: str, *, force: bool, rerun_older: bool, limit_s: float) -> int:
    """Run ``stage`` of the run at ``url`` and publish its result; returns the stage's exit status.

    Raises:
        PreflightError: the image holds other code than the run began with.
        ArtifactError: an object is missing or damaged.
        TransientError: the store is busy, another try published other results first, or another worker has the stage.
    """
    exchange = Exchange.at(url)
    with exchange.traffic.told(stage):
        if exchange.fragment(stage) is not None:
            print(f"{stage} was published by an earlier try", flush=True)
            return 0
        fence = Fence(exchange.store, stage)
        fence.take()
        with fence.watched():
            return _reproduce(exchange, stage, Wish(force=force, rerun_older=rerun_older, limit_s=limit_s), fence)


def _reproduce(exchange: Exchange, stage: str, wish: Wish, fence: Fence) -> int:
    reproduction = _Reproduction(exchange, stage, fence)
    try:
        furnish(Path.cwd(), exchange, stage)
        status = bring_up_to_date(stage, wish, exchange.made_with, reproduction)
    finally:
        reproduction.close()
    _end_at_once_from_now_on()
    if status == 0:
        entry = _entry(stage)
        if reproduction.ran:
            results = exchange.results(CACHE)
            results.send(entry["outs"])
            results.remember()
        fence.demand()
        exchange.tell_made_with(stage, entry, read_json(FOLDER / f"{stage}.json"))
        exchange.publish(stage, entry)
        print(f"{stage} is published at {exchange.store.root}", flush=True)
    return status


class _Reproduction:
    """How :func:`bring_up_to_date` gets a stage whose inputs and results are not here."""

    def __init__(self, exchange: Exchange, stage: str, fence: Fence) -> None:
        self.ran = False
        self._exchange = exchange
        self._copies = CheckpointCopies(exchange.store, stage, CHECKPOINTS, fence.holds)
        self._dvc = dvc_door.Asked()

    def __call__(self, stage: str, *, force: bool, limit_s: float) -> int:
        if not force and self._restored(stage):
            return 0
        if self.ran:  # DVC has run it in that process, and ended
            self._dvc.close()
            self._dvc = dvc_door.Asked()
        self.ran = True
        inputs = fetch_inputs(self._exchange, stage)
        fetch_pieces(self._exchange.store, stage)
        self._copies.restore()
        with self._copies.following():
            return Attempt(stage, self._dvc.run(stage, inputs), limit_s).finish()

    def close(self) -> None:
        self._dvc.close()

    def _restored(self, stage: str) -> bool:
        """Whether an earlier run had the same inputs, and all of its results are in the remote."""
        locked = dvc_lock.entries(LOCK)
        known = locked.pop(stage, None)
        dvc_lock.write(LOCK, locked)
        inputs = {out["path"]: out["md5"] for entry in locked.values() for out in entry["outs"]}
        key = self._dvc.key(stage, inputs, known)
        results = self._exchange.results(CACHE)
        for entry in chain([known] if known and key.known_fits else [],
                           results.remembered(key.value) if key.value else []):
            if not results.missing(entry["outs"]):
                dvc_lock.write(LOCK, {**locked, stage: entry})
                print(f"Stage '{stage}' is cached - skipping run, its results are in the remote", flush=True)
                return True
        return False


def compute_shard_without_disk(stage: str, shard: str, url: str, *, limit_s: float) -> int:
    """Compute ``shard`` of ``stage`` and send its pieces; the fragment that says so has the name of the shard.

    Raises:
        As :func:`reproduce_without_disk` does.
    """
    exchange = Exchange.at(url)
    name = shard_name(stage, shard)
    with exchange.traffic.told(stage):
        if exchange.fragment(name) is not None:
            return 0
        fence = Fence(exchange.store, name)
        fence.take()
        with fence.watched():
            furnish(Path.cwd(), exchange, stage)
            fetch_inputs(exchange, stage, _needed_by(Shard.parse(shard), exchange, stage))
            status = compute_shard(stage, shard, limit_s=limit_s)
            _end_at_once_from_now_on()
            if status == 0:
                fence.demand()
                pieces = send_pieces(exchange.store, stage)
                fence.demand()
                exchange.publish(name, {"pieces": pieces})
            return status


def take_part_without_disk(stage: str, machine: Machine, url: str, *, limit_s: float) -> int:
    """Train together with the machine that runs ``stage``; nothing is published from here.

    Raises:
        As :func:`reproduce_without_disk` does.
    """
    exchange = Exchange.at(url)
    if exchange.fragment(stage) is not None:
        return 0
    with exchange.traffic.told(stage):
        furnish(Path.cwd(), exchange, stage)
        fetch_inputs(exchange, stage, _needed_on(machine, exchange, stage))
        return take_part(stage, limit_s=limit_s)


def shard_name(stage: str, shard: str) -> str:
    """``featurize``, ``3/16`` to ``featurize-shard-3-of-16``."""
    number, _, count = shard.partition("/")
    return f"{stage}-shard-{number}-of-{count}"


def _end_at_once_from_now_on() -> None:
    """Nothing has to end gently once the stage itself is over: only the fragment counts."""
    for kind in (signal.SIGTERM, signal.SIGINT):
        signal.signal(kind, signal.SIG_DFL)


def furnish(workspace: Path, exchange: Exchange, stage: str, code: Path = CODE) -> None:
    """Make the workspace of ``stage`` in an empty directory."""
    settings = exchange.settings()
    found = tree_digest(code)
    if found != settings.code:
        raise PreflightError(name=f"the code in {code}", rule=f"be that of the run ({settings.code[:12]})",
                             value=found[:12], action="Build and push the image from the commit that runs.")
    for part in (*STAGE_CODE, ".dvcignore"):
        if (code / part).is_dir():
            shutil.copytree(code / part, workspace / part, dirs_exist_ok=True)
        else:
            shutil.copy2(code / part, workspace / part)
    write_text(workspace / "params.yaml", settings.params)
    write_text(workspace / "dvc.yaml", settings.graph)
    write_text(workspace / "corpus.json", settings.corpus)
    write_text(workspace / "watched.json", settings.watched)
    write_text(workspace / ".dvc" / "config", dvc_door.config(remote=exchange.remote))
    dvc_lock.write(workspace / LOCK, _known(settings, exchange, stage))


def _known(settings: Settings, exchange: Exchange, stage: str) -> dict[str, Any]:
    """What is true in this run of the stages before this one, and of the stage itself where its inputs are the same.

    Raises:
        ArtifactError: a stage before this one has not run, or was known from an earlier run with other inputs.
    """
    before = dvc_lock.parse(settings.lock, "the run's dvc.lock")
    known = _published(exchange, settings.upstream.get(stage, ()))
    for above in settings.upstream.get(stage, ()):
        _add_known(above, known, before, settings, exchange, wanted_by=stage)
    if stage in before and not dvc_lock.disagreements({**known, stage: before[stage]}, of=stage):
        known[stage] = before[stage]
    return known


def _published(exchange: Exchange, stages: tuple[str, ...]) -> dict[str, Any]:
    found = zip(stages, at_once(AT_ONCE, exchange.fragment, stages), strict=True)
    return {stage: dict(entry) for stage, entry in found if entry is not None}


def _add_known(stage: str, known: dict[str, Any], before: Mapping[str, Any], settings: Settings, exchange: Exchange,
               *, wanted_by: str) -> None:
    """Add what this run published of ``stage``, or what was known before it if that still holds for all before it."""
    if stage in known:
        return
    published = exchange.fragment(stage)
    if published is not None:
        known[stage] = published
        return
    if stage in before:
        for above in settings.upstream.get(stage, ()):
            _add_known(above, known, before, settings, exchange, wanted_by=stage)
        if not dvc_lock.disagreements({**known, stage: before[stage]}, of=stage):
            known[stage] = before[stage]
            return
    raise ArtifactError(name=exchange.store.url(f"fragments/{stage}"), rule=f"be published before {wanted_by} runs",
                        value="no such object", action=f"Run {stage} first.")


def _all(_path: str, names: Sequence[str]) -> Sequence[str]:
    return names


def fetch_inputs(exchange: Exchange, stage: str, needed: Needed = _all) -> dict[str, str]:
    """Bring what the stages before ``stage`` made. A list stands beside a directory of which less than all is brought.

    Returns:
        Path -> MD5 of each file that was brought.

    Raises:
        ArtifactError: an object is missing or damaged; the message has its path and its hash.
    """
    above, locked = exchange.settings().upstream.get(stage, ()), dvc_lock.entries(LOCK)
    results = exchange.results(CACHE)
    brought: list[ResultFile] = []
    for path, files in results.files(out for name in above for out in locked[name]["outs"]).items():
        whole = {file.path.removeprefix(f"{path}/"): file for file in files}
        names = needed(path, sorted(whole))
        if len(names) < len(whole):
            write_json(list_beside(Path(path)), sorted(whole))
        brought += [whole[name] for name in names]
    results.bring(brought, Path())
    return {file.path: file.md5 for file in brought}


def _needed_by(share: Shard, exchange: Exchange, stage: str) -> Needed:
    """All but the other shares of the directory whose files the shards of ``stage`` share out."""
    divided = _meta(exchange.settings(), stage).get("shards_of")
    return lambda path, names: share.needed(names) if path == divided else names


def _needed_on(machine: Machine, exchange: Exchange, stage: str) -> Needed:
    """All but what only processes of other machines draw from."""
    settings = exchange.settings()
    divided = _meta(settings, stage).get("shared_by_processes")
    processes = int(parse(settings.params, "the run's params.yaml").content["train"]["processes"])

    def needed(path: str, names: Sequence[str]) -> Sequence[str]:
        if path != divided:
            return names
        units = units_among(names)
        foreign = set(units).difference(files_of_machine(units, machine.number + 1, machine.of, processes))
        return [name for name in names if name not in foreign]

    return needed


def _meta(settings: Settings, stage: str) -> Mapping[str, Any]:
    """What dvc.yaml says of a stage for whoever runs it."""
    found: Mapping[str, Any] = parse(settings.graph, "the run's dvc.yaml").content["stages"][stage.partition("@")[0]]
    meta: Mapping[str, Any] = found.get("meta", {})
    return meta


def _entry(stage: str) -> dict[str, Any]:
    stages = dvc_lock.entries(LOCK)
    if not stages.get(stage, {}).get("outs"):
        raise TransientError(name=stage, rule="have its outputs recorded in dvc.lock", value="no whole entry",
                             action="The stage is tried again.")
    dvc_lock.demand_agreement(stages, name=f"dvc.lock of {stage}", of=stage)
    return dict(stages[stage])
