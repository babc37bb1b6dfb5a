"""dvc.yaml as neutral, frozen nodes: the one graph that Airflow renders and `make run` shows.

Importing DVC costs seconds each time Airflow parses a DAG file, so the part of its templating that dvc.yaml uses
(`matrix`, `${item.x}`, `${section.key}`) is resolved here; a test compares the result with DVC's own graph.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from dags.yaml_files import read_yaml
from evenvoice.errors import ParamsError
from evenvoice.params import CHOICES, MODELS

_REFERENCE = re.compile(r"\$\{([^}]+)\}")
Values = Mapping[str, tuple[str, ...]]
"""Dotted name -> every value it may take; one value where it is settled."""
CHOSEN_ARMS: Final = "mitigate.arms"
RESULTS: Final = "artifacts/"
SOURCE: Final = "corpus.json"
"""Describes what the first stage reads: known once a run is planned, and written by no stage."""


@dataclass(frozen=True)
class Node:
    """One stage of dvc.yaml, or one item of a stage that it repeats over a matrix."""

    name: str
    """As DVC calls it: ``train``, ``discover@clusters``."""
    group: str
    """The stage without its item: ``discover``."""
    description: str
    cmd: str
    deps: tuple[str, ...]
    outs: tuple[str, ...]
    params: tuple[str, ...]
    size: str
    """Which of the sizes in params.yaml's `resources` it gets: ``light``, ``data``, ``training``."""
    shards_of: str
    """The path it reads that can be worked on in shards, an output of another stage or what describes the source; empty
    where it must be read as one."""
    upstream: tuple[str, ...]
    """Names of the nodes whose outs it reads, in the order of dvc.yaml."""

    @property
    def item(self) -> str | None:
        """What the matrix fills in: ``clusters``; None outside a matrix."""
        return self.name.partition("@")[2] or None


@dataclass(frozen=True)
class Graph:
    """All nodes, in the order of dvc.yaml."""

    nodes: tuple[Node, ...]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(node.name for node in self.nodes)

    @property
    def edges(self) -> frozenset[tuple[str, str]]:
        """Pairs (upstream, downstream)."""
        return frozenset((above, node.name) for node in self.nodes for above in node.upstream)

    def writer(self, path: str) -> str:
        """Name of the node that writes ``path``; empty for the description of the source, which is there before.

        Raises:
            ParamsError: none does.
        """
        found = [node.name for node in self.nodes if path in node.outs]
        if not found and path != SOURCE:
            raise ParamsError(name="dvc.yaml: meta.shards_of", rule=f"be an output of a stage, or {SOURCE}", value=path,
                              action="Correct it.")
        return found[0] if found else ""

    def with_descendants(self, names: Iterable[str]) -> frozenset[str]:
        """``names`` and every node that reads from them, directly or through others."""
        reached = set(names)
        grown = True
        while grown:
            below = {down for up, down in self.edges if up in reached} - reached
            reached |= below
            grown = bool(below)
        return frozenset(reached)

    def leading_to(self, name: str) -> Graph:
        """A node, and every node that it reads from, directly or through others; in the same order.

        Raises:
            ParamsError: there is no such node.
        """
        by_name = {node.name: node for node in self.nodes}
        if name not in by_name:
            raise ParamsError(name="dvc.yaml", rule="have the stage that a DAG leads to", value=name,
                              action="Put it back.")
        needed, found = [name], {name}
        while needed:
            above = set(by_name[needed.pop()].upstream) - found
            found |= above
            needed += above
        return Graph(tuple(node for node in self.nodes if node.name in found))

    def waiting(self, node: Node) -> int:
        """How many items of its own matrix wait for a node, one after another.

        ``transcribe@ewc`` waits, through cohorts and mitigation, for ``transcribe@base``, which so has 1, and all
        others 0. Items with the same number can stand in one task group; Airflow refuses groups that wait for each
        other.
        """
        below = self.with_descendants([node.name]) - {node.name}
        return max((1 + self.waiting(other) for other in self.nodes
                    if other.name in below and other.group == node.group), default=0)

    def in_order(self) -> tuple[Node, ...]:
        """Every node after all nodes it reads from; otherwise as in dvc.yaml."""
        placed: dict[str, Node] = {}
        waiting = list(self.nodes)
        while waiting:
            ready = [node for node in waiting if all(name in placed for name in node.upstream)]
            if not ready:
                raise ParamsError(name="dvc.yaml", rule="be free of cycles", value=[node.name for node in waiting],
                                  action="Remove a dependency between these stages.")
            placed[ready[0].name] = ready[0]
            waiting.remove(ready[0])
        return tuple(placed.values())


def graph_of_run(root: Path, params: Mapping[str, Any], *, models: Collection[str], last: str) -> Graph:
    """What a run with these parameters makes, up to the stage ``last``."""
    return load_graph(root, _flat(params), models=models).leading_to(last)


def load_graph(root: Path, choices: Values | None = None, *, models: Collection[str] = MODELS) -> Graph:
    """Read dvc.yaml and params.yaml in ``root``.

    Args:
        choices: values that a parameter may take in another run. Each counts as a dependency, so a DAG drawn before
            the run's parameters are known has every edge that any of its runs needs.
        models: those of a run; the others are left out.
    """
    stages = with_models(read_yaml(root / "dvc.yaml")["stages"], models)
    settled = _flat(read_yaml(root / "params.yaml"))
    return parse_graph(stages, {**settled, **(choices or {})})


def with_models(stages: Mapping[str, Any], models: Collection[str]) -> dict[str, Any]:
    """The ``stages`` of dvc.yaml for a run with these models: nothing makes, transcribes or reads the others.

    Stages that make a single model lose the parameter that lists the arms: they are left because they are in the list,
    and another list is to run nothing again that both name.
    """
    gone = frozenset(CHOICES).difference(models)
    return {name: kept for name, stage in stages.items() if (kept := _without(stage, gone))}


def with_nodes(stages: Mapping[str, Any], graph: Graph) -> dict[str, Any]:
    """The ``stages`` of dvc.yaml without stages, and items of matrices, that ``graph`` does not have."""
    kept = {}
    for name, stage in stages.items():
        items = [node.item for node in graph if node.group == name]
        if items:
            matrix = {key: [item for item in values if item in items]
                      for key, values in stage.get("matrix", {}).items()}
            kept[name] = {**stage, **({"matrix": matrix} if matrix else {})}
    return kept


def _without(stage: Mapping[str, Any], gone: frozenset[str]) -> dict[str, Any]:
    """Empty where nothing of it is left, and where it is about models that are all gone."""
    matrix = {key: [item for item in items if item not in gone] for key, items in stage.get("matrix", {}).items()}
    outs = [out for out in stage.get("outs", []) if not _is_of(out, gone)]
    if not all(matrix.values()) or len(outs) < len(stage.get("outs", [])):
        return {}
    deps = [dep for dep in stage.get("deps", []) if not _is_of(dep, gone)]
    makes_one = any(_is_of(out, frozenset(CHOICES)) or "${item.arm}" in out for out in outs)
    params = [name for name in stage.get("params", []) if not (makes_one and name == CHOSEN_ARMS)]
    changed = {"matrix": matrix, "deps": deps, "params": params}
    return {part: changed.get(part, content) for part, content in stage.items()}


def _is_of(path: str, models: frozenset[str]) -> bool:
    return path.startswith(RESULTS) and path.rpartition("/")[2].partition(".")[0] in models


def parse_graph(stages: Mapping[str, Any], values: Values) -> Graph:
    """Expand the ``stages`` of dvc.yaml and find who reads whose outs."""
    drafts = [node for group, stage in stages.items() for node in _expanded(group, stage, values)]
    writers = [(out, node.name) for node in drafts for out in node.outs]
    return Graph(tuple(replace(node, upstream=_upstream(node, writers)) for node in drafts))


def _expanded(group: str, stage: Mapping[str, Any], values: Values) -> Iterator[Node]:
    matrix: Mapping[str, list[Any]] = stage.get("matrix", {})
    for combination in itertools.product(*matrix.values()):
        item = {f"item.{key}": (str(value),) for key, value in zip(matrix, combination, strict=True)}
        suffix = "@" + "-".join(str(value) for value in combination) if matrix else ""
        known = {**values, **item}
        yield Node(
            name=group + suffix, group=group, description=str(stage.get("desc", "")),
            cmd=_filled(str(stage["cmd"]), known)[0],
            deps=_paths(stage.get("deps", []), known),
            outs=_paths(itertools.chain.from_iterable(stage.get(kind, []) for kind in ("outs", "metrics", "plots")),
                        known),
            params=_paths(stage.get("params", []), known),
            size=str(stage.get("meta", {}).get("size", "light")),
            shards_of=str(stage.get("meta", {}).get("shards_of", "")),
            upstream=(),
        )


def _paths(entries: Iterable[Any], values: Values) -> tuple[str, ...]:
    """An entry is a path or a parameter, or a mapping from the path to DVC's options for it."""
    texts = [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]
    return tuple(path for text in texts for path in _filled(text, values))


def _filled(text: str, values: Values) -> tuple[str, ...]:
    """``text`` with its references replaced, once for every combination of their values."""
    references = list(dict.fromkeys(_REFERENCE.findall(text)))
    for reference in references:
        if reference not in values:
            raise ParamsError(name=f"dvc.yaml: {text}", rule="refer to names of params.yaml or of its matrix",
                              value=reference, action="Correct the reference.")
    filled = []
    for combination in itertools.product(*(values[reference] for reference in references)):
        chosen = dict(zip(references, combination, strict=True))
        filled.append(_REFERENCE.sub(lambda match, chosen=chosen: chosen[match[1]], text))  # type: ignore[misc]
    return tuple(filled)


def _upstream(node: Node, writers: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """DVC connects two stages when one reads a path that is, holds or lies within a path that the other writes."""
    found = (name for out, name in writers if name != node.name and any(_overlap(dep, out) for dep in node.deps))
    return tuple(dict.fromkeys(found))


def _overlap(dep: str, out: str) -> bool:
    return dep == out or dep.startswith(f"{out}/") or out.startswith(f"{dep}/")


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, tuple[str, ...]]:
    flat: dict[str, tuple[str, ...]] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = (str(value),)
    return flat
