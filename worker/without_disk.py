"""A stage where nothing is shared but an object store: furnish a workspace, run, push, publish.

The workspace is the current directory, made from the code of the image, the settings of the run and the fragments of
the stages before. DVC restores what any earlier run computed from the same inputs; otherwise it pulls the inputs and
runs the stage. Results are in the remote before the fragment says so.

DVC takes an input that is not there for one that has not changed (`--allow-missing`), and here no input is there at
first. So what an earlier run knew of the stage is laid before DVC only when its inputs are those of this run.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import worker
from evenvoice import dvc_lock
from evenvoice.code_digest import STAGE_CODE, tree_digest
from evenvoice.errors import ArtifactError, PreflightError, TransientError
from evenvoice.storage import read_json, write_text
from worker import dvc_door
from worker.bringing_up import FOLDER, LOCK, Wish, bring_up_to_date
from worker.checkpoint_copies import CheckpointCopies
from worker.exchange import Exchange, Settings
from worker.piece_copies import fetch_pieces, send_pieces
from worker.shard import compute_shard, take_part

CODE: Final = Path(worker.__file__).resolve().parents[1]
CHECKPOINTS: Final = Path("checkpoints")


def reproduce_without_disk(stage: str, url: str, *, force: bool, rerun_older: bool, limit_s: float) -> int:
    """Run ``stage`` of the run at ``url`` and publish its result; returns the stage's exit status.

    Raises:
        PreflightError: the image holds other code than the run began with.
        ArtifactError: an object is missing or damaged.
        TransientError: the store is busy, or another try published other results first.
    """
    exchange = Exchange.at(url)
    if exchange.fragment(stage) is not None:
        print(f"{stage} was published by an earlier try", flush=True)
        return 0
    furnish(Path.cwd(), exchange, stage)
    fetch_pieces(exchange.store, stage)
    copies = CheckpointCopies(exchange.store, stage, CHECKPOINTS)
    copies.restore()
    with copies.following():
        status = _bring_up_to_date(exchange, stage, Wish(force=force, rerun_older=rerun_older, limit_s=limit_s,
                                                         before_forcing=lambda: _pull_inputs(exchange, stage)))
    if status == 0:
        entry = _entry(stage)
        exchange.tell_made_with(stage, entry, read_json(FOLDER / f"{stage}.json"))
        exchange.publish(stage, entry)
        print(f"{stage} is published at {exchange.store.root}", flush=True)
    return status


def compute_shard_without_disk(stage: str, shard: str, url: str, *, limit_s: float) -> int:
    """Compute ``shard`` of ``stage`` and send its pieces; the fragment that says so has the name of the shard.

    Raises:
        As :func:`reproduce_without_disk` does.
    """
    exchange = Exchange.at(url)
    name = shard_name(stage, shard)
    if exchange.fragment(name) is None:
        furnish(Path.cwd(), exchange, stage)
        _pull_inputs(exchange, stage)
        status = compute_shard(stage, shard, limit_s=limit_s)
        if status:
            return status
        exchange.publish(name, {"pieces": send_pieces(exchange.store, stage)})
    return 0


def take_part_without_disk(stage: str, url: str, *, limit_s: float) -> int:
    """Train together with the pod that runs ``stage``; nothing is published from here.

    Raises:
        As :func:`reproduce_without_disk` does.
    """
    exchange = Exchange.at(url)
    if exchange.fragment(stage) is not None:
        return 0
    furnish(Path.cwd(), exchange, stage)
    _pull_inputs(exchange, stage)
    return take_part(stage, limit_s=limit_s)


def shard_name(stage: str, shard: str) -> str:
    """``featurize``, ``3/16`` to ``featurize-shard-3-of-16``."""
    number, _, count = shard.partition("/")
    return f"{stage}-shard-{number}-of-{count}"


def _bring_up_to_date(exchange: Exchange, stage: str, wish: Wish) -> int:
    """Run the stage until its results are in the remote.

    First without fetching what is known already. Should that leave results missing, because somebody removed them from
    the remote, they are computed again.
    """
    missing: list[str] = []
    for options in (("--pull", "--allow-missing"), ("--pull",)):
        status = bring_up_to_date(stage, replace(wish, options=options), exchange.made_with)
        for kind in (signal.SIGTERM, signal.SIGINT):  # nothing has to end gently now: only the fragment counts
            signal.signal(kind, signal.SIG_DFL)
        if status:
            return status
        _dvc("push", "--run-cache", stage, rule="send its results to the remote", stage=stage)
        missing = exchange.missing(_entry(stage))
        if not missing:
            return 0
    raise TransientError(name=f"the results of {stage}", rule="be in the remote", value=f"nothing at {missing[0]}",
                         action="The stage is tried again.")


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
    write_text(workspace / ".dvc" / "config", dvc_door.config(remote=exchange.remote))
    dvc_lock.write(workspace / LOCK, _known(settings, exchange, stage))


def _known(settings: Settings, exchange: Exchange, stage: str) -> dict[str, Any]:
    """What is true in this run of the stages before this one, and of the stage itself where its inputs are the same.

    Raises:
        ArtifactError: a stage before this one has not run, or was known from an earlier run with other inputs.
    """
    before = dvc_lock.parse(settings.lock, "the run's dvc.lock")
    known: dict[str, Any] = {}
    for above in settings.upstream.get(stage, ()):
        _add_known(above, known, before, settings, exchange, wanted_by=stage)
    if stage in before and not dvc_lock.disagreements({**known, stage: before[stage]}, of=stage):
        known[stage] = before[stage]
    return known


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


def _pull_inputs(exchange: Exchange, stage: str) -> None:
    if above := exchange.settings().upstream.get(stage):
        _dvc("pull", *above, rule="have its inputs in the remote", stage=stage)


def _dvc(command: str, *arguments: str, rule: str, stage: str) -> None:
    done = dvc_door.run(command, "--quiet", *arguments)
    if done.returncode:
        raise TransientError(name=stage, rule=rule, value=" ".join((done.stderr or done.stdout).split())[-400:],
                             action="The stage is tried again; what arrived is not sent twice.")


def _entry(stage: str) -> dict[str, Any]:
    stages = dvc_lock.entries(LOCK)
    if not stages.get(stage, {}).get("outs"):
        raise TransientError(name=stage, rule="have its outputs recorded in dvc.lock", value="no whole entry",
                             action="The stage is tried again.")
    dvc_lock.demand_agreement(stages, name=f"dvc.lock of {stage}", of=stage)
    return dict(stages[stage])
