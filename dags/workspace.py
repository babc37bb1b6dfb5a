"""A run's own workspace: a snapshot of the checkout with that run's parameters, on the shared DVC cache.

Two runs at once never touch each other's files; making a workspace twice gives the same one, so a retry is safe.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from dags import checkout, inputs, watched
from dags.dvc_graph import graph_of_run, load_graph, with_models, with_nodes
from dags.pipelines import RECOGNISER, pipeline
from dags.remote import local_config
from dags.runs import Run, prune, state_of
from dags.yaml_files import read_yaml
from evenvoice import dvc_lock
from evenvoice.data.corpora.contents import Contents
from evenvoice.errors import ParamsError, WorkspaceError
from evenvoice.params import Params, models_in, names, overlay, refuse_unknown, settle
from evenvoice.progress import Progress
from evenvoice.settings import Layer, dump, read_settings
from evenvoice.storage import read_json, write_json, write_text

CORPUS: Final = "corpus.json"
"""What the files are that parameters name, by which DVC sees whether one of them changed."""
WATCHED: Final = "watched.json"
"""The cohorts of an earlier run that this one judges again, since a stage reads nothing outside its workspace."""
SHOW: Final = "show"
RERUN: Final = "rerun"


@dataclass(frozen=True)
class Request:
    """What a person or a schedule asked of a run."""

    dag: str = RECOGNISER.dag
    profile: str = ""
    """Name of a file in profiles/ that is laid over params.yaml; empty for none."""
    corpus: str = ""
    """Replaces ingest.corpus; empty leaves it."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Dotted parameter -> value, laid over everything else."""
    force: bool = False
    force_stage: str = ""
    stale: str = SHOW
    """What becomes of results that were made with other packages, interpreters or processors: SHOW or RERUN."""
    verify: bool = False
    """Read all content of a corpus on a disk, rather than going by sizes, times and inodes."""
    given_in: str = "SET"
    """Where ``changes`` were given, in the words of errors."""


def create(run: Run, request: Request) -> None:
    """Make the workspace of ``run``, or do nothing when it is there already.

    Raises:
        ParamsError: a parameter, the profile or a changed value breaks its rule, or names a file that is not there.
        CorpusError: the corpus is not there, or something of it cannot be read.
        ArtifactError, CohortError: the cohorts to be watched are damaged, or nobody could be placed by them.
        WorkspaceError: git cannot read the clone, or another run id maps to the same directory.
    """
    if run.description.exists():
        known = read_json(run.description)["run_id"]
        if known != run.run_id:
            raise WorkspaceError(name=str(run.directory), rule=f"belong to {run.run_id}", value=known,
                                 action="Start the run again under another run id.")
        return
    params = run_params(run.root, request)
    progress = Progress("snapshot", unit="file", sink=run.progress)
    described = inputs.describe(params, Contents(run.state / "corpora", request.verify, progress))
    earlier = watched.read(params)
    shutil.rmtree(run.workspace, ignore_errors=True)
    run.workspace.mkdir(parents=True)
    digest = _copy_checkout(run.root, run.workspace)
    _settle_params(run, request, params)
    _settle_graph(run.workspace, request, params)
    write_json(run.workspace / CORPUS, described)
    write_json(run.workspace / WATCHED, earlier)
    _configure_dvc(run)
    lock = _lock_file(run, request, params)
    _seed_lock(run, lock)
    _adopt_unfinished(run, lock.name)
    description = {
        "run_id": run.run_id, "created_at": time.time(), "lock": lock.name, **checkout.origin(run.root),
        "snapshot_sha256": digest, **asdict(request), "python": sys.version.split()[0]}
    write_json(run.description, description)
    prune(run.root)


def describe(run: Run, details: Mapping[str, Any]) -> None:
    """Add ``details`` to what run.json says; the copy in the workspace is for the record that effects make."""
    description = {**read_json(run.description), **details}
    write_json(run.workspace / run.description.name, description)
    write_json(run.description, description)


def run_params(root: Path, request: Request) -> dict[str, Any]:
    """params.yaml with the request laid over it: profile, then corpus, then single values.

    Raises:
        ParamsError: a value is refused; it names the layer that gave it, and the line where that is a file.
    """
    layers = [read_settings(root / "params.yaml", "params.yaml")]
    if request.profile:
        layers.append(_profile(root, request.profile))
    if request.corpus:
        layers.append(Layer("CORPUS", {"ingest": {"corpus": request.corpus}}))
    refuse_unknown(request.changes, known=tuple(names(Params)), source=request.given_in)
    layers.append(Layer(request.given_in, _nested(request.changes)))
    merged = settle(layers)
    return inputs.absolute(root, merged)


def publish_lock(run: Run) -> None:
    """Offer what this run knows about results to the runs after it; each entry is true whatever happens later."""
    lock = run.workspace / "dvc.lock"
    if lock.exists():
        write_text(run.state / "locks" / read_json(run.description)["lock"], lock.read_text(encoding="utf-8"))


def describe_corpus(params: Mapping[str, Any], root: Path) -> None:
    """Write corpus.json and watched.json into a checkout, for `dvc repro` there."""
    write_json(root / CORPUS, inputs.describe(params, Contents(state_of(root) / "corpora")))
    write_json(root / WATCHED, watched.read(params))


def _settle_params(run: Run, request: Request, params: dict[str, Any]) -> None:
    """params.yaml keeps its comments where nothing differs."""
    path = run.workspace / "params.yaml"
    if params != read_yaml(path):
        asked = f"profile {request.profile or 'none'}, corpus {params['ingest']['corpus']!r}, {dict(request.changes)}"
        write_text(path, f"# params.yaml with: {asked}\n" + dump(params))


def _settle_graph(workspace: Path, request: Request, params: Mapping[str, Any]) -> None:
    """dvc.yaml with what this run makes alone, so that to DVC there is nothing else."""
    path = workspace / "dvc.yaml"
    content, models = read_yaml(path), models_in(params)
    graph = graph_of_run(workspace, params, models=models, last=pipeline(request.dag).last)
    content["stages"] = with_nodes(with_models(content["stages"], models), graph)
    write_text(path, "# dvc.yaml with what this run makes alone\n" + dump(content))


def _copy_checkout(root: Path, workspace: Path) -> str:
    """Copy what belongs to the checkout; returns one digest over all names and contents."""
    digest = hashlib.sha256()
    for name in checkout.files(root):
        source, target = root / name, workspace / name
        if not source.is_file():  # deleted but still in the index, or a submodule
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
        content = target.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _configure_dvc(run: Run) -> None:
    """A workspace is no git repository, and links into the cache beside it."""
    write_text(run.workspace / ".dvc" / "config.local", local_config(run.state / "cache"))


def _lock_file(run: Run, request: Request, params: Mapping[str, Any]) -> Path:
    """Where the last good dvc.lock lies for runs like this one, so a run on digits never evicts the default's."""
    ingest = params["ingest"]
    corpus = hashlib.sha256(f"{ingest['corpus']}\n{ingest['select']}".encode()).hexdigest()[:8]
    product = "" if request.dag == RECOGNISER.dag else f"{request.dag}-"
    return run.state / "locks" / f"{product}{request.profile or 'default'}-{corpus}.lock"


def _seed_lock(run: Run, lock: Path) -> None:
    """Begin with what the last run of this kind knew, but for stages that the graph has no more."""
    known = dvc_lock.entries(lock)
    if known:
        stages = [name for name in load_graph(run.workspace).names if name in known]
        dvc_lock.write(run.workspace / "dvc.lock", {name: known[name] for name in stages})


def _adopt_unfinished(run: Run, lock: str) -> None:
    """Go on where the last interrupted run with this ``lock`` stopped; stages ignore what does not fit."""
    finished = sorted((run.state / "runs").glob("*/finished"), key=lambda path: path.stat().st_mtime, reverse=True)
    for marker in finished:
        checkpoints = marker.parent / "workspace" / "checkpoints"
        description = marker.parent / "run.json"
        if description.exists() and read_json(description)["lock"] == lock:
            if checkpoints.is_dir():
                shutil.copytree(checkpoints, run.workspace / "checkpoints")
            if (pieces := checkpoints.with_name("pieces")).is_dir():
                shutil.copytree(pieces, run.workspace / "pieces", copy_function=os.link)  # never changed in place
            return


def _profile(root: Path, name: str) -> Layer:
    path = root / "profiles" / f"{name}.yaml"
    known = sorted(file.stem for file in path.parent.glob("*.yaml"))
    if name not in known:
        raise ParamsError(name="profile", rule=f"be one of {', '.join(known)}", value=name,
                          action="Choose one of these, or add a file to profiles/.")
    return read_settings(path, f"profiles/{name}.yaml")


def _nested(changes: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in changes.items():
        for part in reversed(name.split(".")):
            value = {part: value}
        nested = overlay(nested, value)
    return nested
