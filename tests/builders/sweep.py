"""The project's own graph with stages that only digest what they read, and what each of them then has to write.

dvc.yaml keeps every stage, every section of params.yaml and every dependency on code; its matrices are cut to two
models, one method and one arm. A stage writes the hash of its parameters and inputs, so a result says exactly what it
was made from, and the right one can be worked out without DVC: what a fresh clone would have.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import yaml

from dags import provenance
from dags.dvc_graph import Graph, Node, load_graph
from dags.operators import stage_job, stage_size
from dags.plan import Plan, make_plan, read_plan
from dags.runners.job import Job, Runner
from dags.runs import Run
from dags.workspace import Request, create, describe, publish_lock
from evenvoice import dvc_lock
from evenvoice.code_digest import STAGE_CODE, tree_digest
from evenvoice.object_store import ObjectStore
from evenvoice.params import MADE_FROM, METHODS, MODELS, PARTS, WEIGHTINGS
from tests.builders import stand_in
from tests.builders.checkout import committed, full_checkout

KEPT: Final = {"model": ("base", "ewc"), "method": ("geographic",), "arm": ("ewc",),
               "part": ("half",), "weighting": ("none", "focal")}
DESCRIPTIONS: Final = ("corpus.json", "watched.json")
"""What a workspace is given beside parameters and code."""
APART: Final = {*MADE_FROM, "amortize", "timing"}
"""Stages of models that the sweep does without."""
CHANGES: Final[Mapping[str, object]] = {
    "seed": 7, "ingest.max_duration_s": 29.0, "synthetic.speakers": 50, "featurize.n_mels": 40,
    "tokenizer.vocabulary": 300, "train.steps": 7, "transcribe.batch_s": 500.0, "train_speaker.steps": 5,
    "embed.batch_s": 500.0, "discover.min_words": 11, "mitigate.bottom_share": 0.2, "arms.ewc.weight": 0.02,
    "amortize.steps": 5,
    "wanted.learn": False,
    "weightings.focal.gamma": 1.0, "verify.clusters": 3, "verifier_gate.max_gap": 0.4,
    "mix.test": 10, "train_multitalker.steps": 4, "evaluate_multitalker.cut_tolerance_s": 0.2,
    "multitalker_gate.max_cut": 0.2,
    "evaluate.replicates": 300, "gate.max_gap": 0.4, "report.min_speakers": 3, "resources.light.minutes": 61.0}
"""One parameter of every section, with another value than it has."""
GROUPS: Final = (("weightings", "verify", "verifier_gate", "mix", "train_multitalker", "evaluate_multitalker",
                  "multitalker_gate"),
                 ("resources", "report", "gate", "evaluate", "wanted"),
                 ("amortize", "arms", "mitigate", "discover", "embed", "train_speaker", "transcribe"),
                 ("train", "tokenizer", "featurize", "synthetic", "ingest", "seed"))
"""Sections that are changed together where a run takes minutes; a stale result shows in what it holds all the same."""
EACH: Final = tuple((section,) for group in GROUPS for section in group)


ONE_BY_ONE: Final = os.environ.get("EVENVOICE_TEST_SWEEP") == "each"
"""Asked for where time does not matter: every section in turn, on every runner."""


def steps(groups: tuple[tuple[str, ...], ...] = GROUPS) -> tuple[tuple[str, ...], ...]:
    """The sections to change, group by group, or one by one where that was asked for."""
    return EACH if ONE_BY_ONE else groups


def changes_of(sections: Iterable[str]) -> dict[str, object]:
    """The entries of CHANGES in these sections."""
    return {name: value for name, value in CHANGES.items() if name.partition(".")[0] in sections}


def sweep_checkout(directory: Path) -> Path:
    """Everything of the project, its stages replaced by stand-ins."""
    full_checkout(directory)
    shutil.rmtree(directory / ".git")
    content = yaml.safe_load((directory / "dvc.yaml").read_text(encoding="utf-8"))
    content["stages"] = {name: _cut(stage) for name, stage in content["stages"].items() if name not in APART}
    (directory / "dvc.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    graph = load_graph(directory)
    shutil.copy(Path(stand_in.__file__), directory / "stages" / "stand_in.py")
    for stage in content["stages"]:
        (directory / "stages" / f"{stage}.py").write_text(
            f"from stages.stand_in import work\nwork({stage!r})\n", encoding="utf-8")
    described = {node.name: {"params": node.params, "deps": data_of(node, graph), "outs": node.outs}
                 for node in graph}
    (directory / "stages" / "stand_in.json").write_text(json.dumps(described), encoding="utf-8")
    return committed(directory)


def sweep_image(docker: str, root: Path, directory: Path, tag: str = "") -> str:
    """The stage image with the code of a sweep's checkout instead of its own; returns its id."""
    (directory / "code").mkdir()
    for part in STAGE_CODE:
        place = directory / "code" / part
        if (root / part).is_dir():
            shutil.copytree(root / part, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(root / part, place)
    (directory / "Dockerfile").write_text("FROM evenvoice/stage:local\nCOPY code /opt/evenvoice\n", encoding="utf-8")
    label = f"io.evenvoice.code={tree_digest(root)}"
    named = ["--tag", tag] if tag else []
    built = subprocess.run([docker, "build", "--quiet", "--label", label, *named, str(directory)], capture_output=True,
                           text=True, check=True)
    return built.stdout.strip()


def data_of(node: Node, graph: Graph) -> list[str]:
    """What a stage reads of other stages and of what the workspace was given; not code."""
    outs = {out for other in graph for out in other.outs}
    return [dep for dep in node.deps if dep in outs or dep in DESCRIPTIONS]


def _cut(stage: Mapping[str, Any]) -> dict[str, Any]:
    gone = {*MODELS, *METHODS, *PARTS, *WEIGHTINGS}.difference(*KEPT.values())
    kept = {**stage, "deps": [dep for dep in stage["deps"] if dep.rpartition("/")[2].partition(".")[0] not in gone]}
    if "matrix" in stage:
        kept["matrix"] = {key: list(KEPT[key]) for key in stage["matrix"]}
    return kept


def expected(workspace: Path) -> dict[str, str]:
    """Every output with what it has to hold under the parameters of this workspace, worked out without DVC."""
    graph = load_graph(workspace)
    params = yaml.safe_load((workspace / "params.yaml").read_text(encoding="utf-8"))
    known = {name: (workspace / name).read_text(encoding="utf-8") for name in DESCRIPTIONS}
    for node in graph.in_order():
        values = stand_in.values_of(params, node.params)
        content = stand_in.digest(node.name, values, {dep: known[dep] for dep in data_of(node, graph)})
        known |= dict.fromkeys(node.outs, content)
    return {path: content for path, content in known.items() if path not in DESCRIPTIONS}


def found(workspace: Path) -> dict[str, str]:
    """Every output with what it holds."""
    return {out: stand_in.read(workspace / out) for node in load_graph(workspace) for out in node.outs}


def found_in_store(run: Run, remote: str) -> dict[str, str]:
    """Every output with what it holds, from the DVC remote that pods share."""
    store = ObjectStore.at(remote)
    outs = [out for entry in dvc_lock.entries(run.workspace / "dvc.lock").values() for out in entry["outs"]]
    return {out["path"]: _content(store, out["md5"]) for out in outs}


def _content(store: ObjectStore, md5: str) -> str:
    if md5.endswith(".dir"):
        [file] = json.loads(store.read(_key(md5)))
        md5 = file["md5"]
    return store.read(_key(md5)).decode()


def _key(md5: str) -> str:
    return f"files/md5/{md5[:2]}/{md5[2:]}"


def below(graph: Graph, changed: Iterable[str]) -> frozenset[str]:
    """The stages that read one of these parameters, and every stage behind them."""
    readers = {node.name for node in graph for entry in node.params for name in changed
               if name == entry or name.startswith(f"{entry}.") or entry.startswith(f"{name}.")}
    return graph.with_descendants(readers)


def begin(root: Path, run_id: str, runner: Runner, changes: Mapping[str, object], **request: Any) -> Run:
    """What the tasks `snapshot` and `plan` do."""
    run = Run(root, run_id)
    create(run, Request(profile="tiny", changes=changes, **request))
    describe(run, runner.prepare(run))
    make_plan(run)
    return run


def finish(run: Run) -> None:
    """What the last tasks do with the lock: refuse one that is about something else, and offer it to later runs."""
    dvc_lock.demand_agreement(dvc_lock.entries(run.workspace / "dvc.lock"), name=run.run_id)
    publish_lock(run)


def work_off(run: Run, runner: Callable[[], Runner], at_once: int = 2) -> frozenset[str]:
    """What the tasks of the graph do; returns the stages that worked, rather than DVC finding their results."""
    graph, plan = load_graph(run.workspace), read_plan(run)
    for node in graph:
        if node.name not in plan.stale:
            provenance.reused(run, node.name, stage_size(run, node.size))
    left = [node for node in graph.in_order() if node.name in plan.stale]
    worked: set[str] = set()
    with ThreadPoolExecutor(at_once) as threads:
        while left:
            ready = [node for node in left if not any(other.name in node.upstream for other in left)]
            jobs = [_wished(stage_job(run, node.name, node.size), plan) for node in ready]
            list(threads.map(lambda job: runner().run(job, lambda _: None), jobs))
            publish_lock(run)
            for job in jobs:
                provenance.take_over(run, job.name)
            worked |= {job.name for job in jobs if stand_in.WORKING in job.log.read_text(encoding="utf-8")}
            left = [node for node in left if node not in ready]
    return frozenset(worked)


def _wished(job: Job, plan: Plan) -> Job:
    wishes = (*(["--force"] if job.name in plan.forced else []), *(["--rerun-older"] if plan.rerun_older else []))
    return replace(job, arguments=(*job.arguments, *wishes))
