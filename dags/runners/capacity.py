"""Whether a cluster has nodes that can ever take the pods of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dags.runners.cluster import Node
from dags.runners.pod_settings import PodSettings
from dags.runners.pods import wanted_labels
from evenvoice.errors import EvenvoiceError, ParamsError, PreflightError
from evenvoice.params import Params, Resources, Size

SIZES: Final = ("light", "data", "training")
_PASSING: Final = "node.kubernetes.io/"
"""Taints that the cluster itself sets and takes away again."""


def demand_even_share(params: Params) -> None:
    """Check that each machine gets as many processes as every other, and a GPU for each where there are any.

    Raises:
        ParamsError: it does not.
    """
    processes, size = params.train.processes, params.resources.training
    if processes % size.nodes:
        raise ParamsError(name="train.processes", rule=f"be a multiple of resources.training.nodes, {size.nodes}",
                          value=processes, action="Change one of the two.")
    if size.gpus and processes // size.nodes > size.gpus:
        raise ParamsError(name="resources.training.gpus", rule=f"be at least {processes // size.nodes}, one for each "
                          f"of train.processes on {size.nodes} nodes", value=size.gpus, action="Raise it, or nodes.")


def demand_capacity(nodes: Sequence[Node], resources: Resources, settings: PodSettings) -> None:
    """Check that some node, were it empty, could take a stage of each size, and enough nodes a training.

    Raises:
        PreflightError: no node has a label that pods ask for, or all are kept from them.
        ParamsError: a size asks for more than any of these nodes has.
    """
    for name in SIZES:
        size = resources.size(name)
        let_in = _open(_labelled(nodes, size, resources, settings), size, settings)
        fitting = _large_enough(let_in, name, size, settings)
        wanted = resources.training.nodes if name == "training" else 1
        if len(fitting) < wanted:
            raise ParamsError(name="resources.training.nodes", rule=f"be at most {len(fitting)}, the nodes that can "
                              "take a training", value=wanted, action="Lower it, or add nodes.")


def _labelled(nodes: Sequence[Node], size: Size, resources: Resources, settings: PodSettings) -> list[Node]:
    for label, value in wanted_labels(size, resources, settings).items():
        having = [node for node in nodes if node.labels.get(label) == value]
        if not having:
            others = sorted({node.labels[label] for node in nodes if label in node.labels})
            raise PreflightError(name=f"the node label {label}={value}", rule="be that of a node",
                                 value=f"{', '.join(others) if others else 'no such label'} on {len(nodes)} nodes",
                                 action="Change resources.gpu_kind, node_selector or gpu_kind_label of pods.yaml, or "
                                        "label the nodes.")
        nodes = having
    return list(nodes)


def _open(nodes: list[Node], size: Size, settings: PodSettings) -> list[Node]:
    """Those without a taint that the pods do not tolerate."""
    tolerated = [(own.key, own.operator, own.value, own.effect) for own in settings.tolerations] if size.gpus else []

    def lets_in(taint: tuple[str, str, str]) -> bool:
        key, value, effect = taint
        return key.startswith(_PASSING) or any(
            (own_key, own_effect) == (key, effect) and (operator == "Exists" or own_value == value)
            for own_key, operator, own_value, own_effect in tolerated)

    found = [node for node in nodes if all(map(lets_in, node.taints))]
    if nodes and not found:
        taints = sorted({f"{key}:{effect}" for node in nodes for key, _, effect in node.taints})
        raise PreflightError(name="the taints of nodes", rule="be tolerated by stages", value=", ".join(taints),
                             action="Add them to tolerations of pods.yaml (for stages with GPUs), or take them away.")
    return found


def _large_enough(nodes: list[Node], name: str, size: Size, settings: PodSettings) -> list[Node]:
    for what, wanted, unit in (("cpus", float(size.cpus or 1), ""), ("memory_gb", size.memory_gb, ""),
                               ("gpus", float(size.gpus), f" of {settings.gpu_resource}")):
        most = max((_has(node, what, settings) for node in nodes), default=0.0)
        nodes = [node for node in nodes if _has(node, what, settings) >= wanted]
        if not nodes:
            raise _too_much(f"resources.{name}.{what}", wanted, f"{most:.4g}{unit}")
    return nodes


def _has(node: Node, what: str, settings: PodSettings) -> float:
    if what == "gpus":
        return float(node.others.get(settings.gpu_resource, 0))
    return node.cpus if what == "cpus" else node.memory_gb


def _too_much(name: str, wanted: float, most: str) -> EvenvoiceError:
    return ParamsError(name=name, rule=f"be at most {most}, the most that a node has for pods", value=f"{wanted:g}",
                       action="Lower it in params.yaml, or add a larger node.")
