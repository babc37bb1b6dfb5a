"""Nodes of dvc.yaml to Airflow tasks: one task per node, one task group per matrix, the edges of dvc.yaml."""

from __future__ import annotations

from collections import Counter

from airflow.sdk import TaskGroup, chain

from dags.dvc_graph import Graph, Node
from dags.operators import StageOperator

Place = tuple[str, int]
"""A matrix stage and the generation of some of its items."""


def render(graph: Graph) -> dict[str, StageOperator]:
    """Make the tasks inside the DAG that is being defined; returns them by the name of their node."""
    places = {node.name: (node.group, graph.generation(node)) for node in graph if node.item}
    groups = _groups(graph, places)
    tasks = {node.name: _task(node, groups.get(places.get(node.name, ("", 0)))) for node in graph.in_order()}
    for above, below in sorted(graph.edges):
        chain(tasks[above], tasks[below])
    return tasks


def _groups(graph: Graph, places: dict[str, Place]) -> dict[Place, TaskGroup]:
    """A group for each place that holds several items, named after the stage."""
    descriptions = {node.group: node.description for node in graph}
    crowded = [place for place, items in Counter(places.values()).items() if items > 1]
    stages = Counter(stage for stage, _ in crowded)
    return {(stage, generation): TaskGroup(stage if stages[stage] == 1 else f"{stage}_{generation}",
                                           tooltip=descriptions[stage])
            for stage, generation in crowded}


def _task(node: Node, group: TaskGroup | None) -> StageOperator:
    """Inside its group the item alone is the name; Airflow allows no ``@`` in names."""
    return StageOperator(task_id=str(node.item) if group else node.name.replace("@", "_"), stage=node.name,
                         size=node.size, task_group=group, doc_md=_documentation(node))


def _documentation(node: Node) -> str:
    return (f"{node.description}.\n\n`{node.cmd}`\n\n- reads {', '.join(node.deps)}\n"
            f"- writes {', '.join(node.outs)}\n- parameters {', '.join(node.params)}\n")
