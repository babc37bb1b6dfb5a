"""Which stages a run has to work on: one question to DVC instead of one per stage.

`dvc repro` costs two seconds for every stage that turns out to be unchanged. DVC's status answers for all of them at
once; whatever it calls changed, and everything behind that, is left to `dvc repro`, which still skips a stage whose
inputs came out identical.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from dags.dvc_graph import Graph, load_graph
from dags.runs import Run
from dags.workspace import RERUN
from evenvoice import dvc_lock
from evenvoice.errors import ParamsError, WorkspaceError
from evenvoice.storage import read_json, write_json
from worker import dvc_door


@dataclass(frozen=True)
class Plan:
    """Names of stages, as DVC calls them."""

    stale: frozenset[str]
    """May have to run: what changed, what is forced, and everything behind either."""
    forced: frozenset[str]
    known: frozenset[str]
    """All stages of the run; those of arms that it leaves out are not among them."""
    changed: frozenset[str] = frozenset()
    """Differ by themselves from what dvc.lock says, whatever becomes of the stages before them."""
    rerun_older: bool = False
    """Whether results are made anew that other packages, interpreters or processors made."""


def make_plan(run: Run) -> Plan:
    """Restore what the cache has, ask DVC what changed since, and write plan.json."""
    request = read_json(run.description)
    graph = load_graph(run.workspace)
    forced = forced_stages(graph, everything=request["force"], stage=request["force_stage"])
    changed = _changed(run, graph)
    rerun_older = request["stale"] == RERUN
    # only where a stage runs is it known what it would be made with there
    stale = frozenset(graph.names) if rerun_older else graph.with_descendants(changed | forced)
    write_json(run.plan, {"stale": sorted(stale), "forced": sorted(forced), "known": sorted(graph.names),
                          "changed": sorted(changed), "rerun_older": rerun_older})
    return Plan(stale, forced, frozenset(graph.names), changed, rerun_older)


def read_plan(run: Run) -> Plan:
    """What :func:`make_plan` wrote."""
    content = read_json(run.plan)
    return Plan(frozenset(content["stale"]), frozenset(content["forced"]), frozenset(content["known"]),
                frozenset(content["changed"]), content["rerun_older"])


def is_stale(run: Run, stage: str) -> bool:
    """Whether a stage, all stages before it being done by now, has to run; no call to DVC, which takes seconds."""
    plan = read_plan(run)
    if stage not in plan.stale or stage in plan.forced | plan.changed:
        return stage in plan.stale
    return bool(dvc_lock.disagreements(dvc_lock.entries(run.workspace / "dvc.lock"), of=stage))


def forced_stages(graph: Graph, *, everything: bool, stage: str) -> frozenset[str]:
    """The stages that run although nothing changed; ``stage`` may be a whole group.

    Raises:
        ParamsError: no stage or group has that name.
    """
    if everything:
        return frozenset(graph.names)
    if not stage:
        return frozenset()
    meant = frozenset(node.name for node in graph if stage in (node.name, node.group))
    if not meant:
        raise ParamsError(name="force_stage", rule=f"be one of {', '.join(graph.names)}", value=stage,
                          action="Name one of these, or a group such as discover.")
    return meant


def _changed(run: Run, graph: Graph) -> frozenset[str]:
    if not (run.workspace / "dvc.lock").exists():
        return frozenset(graph.names)
    done = dvc_door.run(dvc_door.STATE, directory=run.workspace)
    if done.returncode:
        words = " ".join((done.stderr.strip() or done.stdout.strip()).split())
        raise WorkspaceError(name="DVC", rule="restore and compare the results of earlier runs", value=words[-500:],
                             action=f"Removing {run.state / 'cache'} makes it start over.")
    return frozenset(graph.names) & frozenset(json.loads(done.stdout.splitlines()[-1]))
