"""Nodes of dvc.yaml to Airflow tasks: one task per node, one task group per matrix, the edges of dvc.yaml.

A node that can be worked on in shards gets a mapped task before it, see dags/mapping.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from airflow.sdk import TaskGroup, XComArg, chain
from airflow.sdk.definitions.mappedoperator import MappedOperator

from dags.dvc_graph import Graph, Node
from dags.mapping import ShardedOutput, ShardOperator
from dags.operators import RETRIES, StageOperator
from dags.runners.gpus import pool_of
from evenvoice.params import Resources

Place = tuple[str, int]
"""A matrix stage, and how many of its items wait for some of them one after another."""
_TRIGGER_RULE: Final = "none_failed"
"""Before a stage is skipped: its mapped task where there are no shards, and arms that the run leaves out."""


def render(graph: Graph, resources: Resources, planned: XComArg) -> dict[str, StageOperator]:
    """Make the tasks inside the DAG that is being defined; returns them by the name of their node.

    Args:
        resources: those of params.yaml; a task's pool is settled before the parameters of its run are known.
        planned: the task before all of them; returns the shards in which the source is worked on.
    """
    places = {node.name: (node.group, graph.waiting(node)) for node in graph if node.item}
    groups = _groups(graph, places)
    sharded = {graph.writer(node.shards_of) for node in graph if node.shards_of}
    shards_of = {"": planned}
    tasks: dict[str, StageOperator] = {}
    for node in graph.in_order():
        settings = _settings(node, resources, groups.get(places.get(node.name, ("", 0))))
        kind = ShardedOutput if node.name in sharded else StageOperator
        tasks[node.name] = kind(**settings, doc_md=_documentation(node), trigger_rule=_TRIGGER_RULE)
        shards_of[node.name] = tasks[node.name].output
        above = [tasks[name] for name in sorted(node.upstream)] or [planned]
        chain(above, tasks[node.name])
        if node.shards_of:
            chain(above, _shards(settings, shards_of[graph.writer(node.shards_of)]), tasks[node.name])
    return tasks


def _groups(graph: Graph, places: dict[str, Place]) -> dict[Place, TaskGroup]:
    """A group for each place that holds several items, named after the stage."""
    descriptions = {node.group: node.description for node in graph}
    crowded = [place for place, items in Counter(places.values()).items() if items > 1]
    stages = Counter(stage for stage, _ in crowded)
    return {(stage, waiting): TaskGroup(stage if stages[stage] == 1 else f"{stage}_{waiting}",
                                        tooltip=descriptions[stage])
            for stage, waiting in crowded}


def _settings(node: Node, resources: Resources, group: TaskGroup | None) -> dict[str, Any]:
    """Inside its group the item alone is the name; Airflow allows no ``@`` in names."""
    return {"task_id": str(node.item) if group else node.name.replace("@", "_"), "stage": node.name, "size": node.size,
            "task_group": group, **pool_of(resources, resources.size(node.size))}


def _shards(settings: Mapping[str, Any], source: XComArg) -> MappedOperator:
    """As many tasks as there are shards in ``source``; without any, Airflow skips it without running anything."""
    named = {**settings, "task_id": f"{settings['task_id']}_shards"}
    return ShardOperator.partial(
        **named, **RETRIES, map_index_template="{{ task.shard }}",
        doc_md="Computes pieces of the stage behind it, where the input is larger than `resources.shard_gb`.",
    ).expand(shard=source)


def _documentation(node: Node) -> str:
    return (f"{node.description}.\n\n`{node.cmd}`\n\n- reads {', '.join(node.deps)}\n"
            f"- writes {', '.join(node.outs)}\n- parameters {', '.join(node.params)}\n")
