"""dvc.yaml to nodes: the same stages and edges as DVC's own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dags.dvc_graph import load_graph, parse_graph
from evenvoice.errors import ParamsError
from evenvoice.params import METHODS

ROOT = Path(__file__).resolve().parents[2]
STAGES = {
    "ingest": {"desc": "Speech in", "cmd": "python -m stages.ingest", "params": ["seed"], "deps": ["corpus.json"],
               "outs": ["data/corpus"]},
    "discover": {"matrix": {"method": ["tree", "clusters"]}, "cmd": "python -m stages.discover ${item.method}",
                 "deps": ["data/corpus"], "outs": [{"data/cohorts/${item.method}": {"cache": True}}]},
    "mitigate": {"cmd": "python -m stages.mitigate", "deps": ["data/cohorts/${mitigate.cohorts}"],
                 "outs": ["data/model"]},
    "report": {"cmd": "python -m stages.report", "deps": ["data/cohorts", "data/model/weights"], "outs": ["page.html"]},
}
VALUES = {"mitigate.cohorts": ("tree",)}


def test_a_matrix_becomes_one_node_per_item() -> None:
    graph = parse_graph(STAGES, VALUES)

    assert graph.names == ("ingest", "discover@tree", "discover@clusters", "mitigate", "report")
    tree = graph.nodes[1]
    assert (tree.group, tree.item, tree.cmd) == ("discover", "tree", "python -m stages.discover tree")
    assert tree.outs == ("data/cohorts/tree",)


def test_a_parameter_in_a_path_decides_the_edge() -> None:
    assert ("discover@tree", "mitigate") in parse_graph(STAGES, VALUES).edges
    assert ("discover@clusters", "mitigate") in parse_graph(STAGES, {"mitigate.cohorts": ("clusters",)}).edges


def test_a_parameter_that_another_run_may_set_otherwise_gives_every_edge_that_any_run_needs() -> None:
    edges = parse_graph(STAGES, {"mitigate.cohorts": ("tree", "clusters")}).edges

    assert {("discover@tree", "mitigate"), ("discover@clusters", "mitigate")} <= edges


def test_a_folder_of_outs_and_a_file_inside_an_out_are_both_edges() -> None:
    report = parse_graph(STAGES, VALUES).nodes[-1]

    assert report.upstream == ("discover@tree", "discover@clusters", "mitigate")


def test_descendants_reach_through_other_stages() -> None:
    graph = parse_graph(STAGES, VALUES)

    assert graph.with_descendants(["discover@tree"]) == {"discover@tree", "mitigate", "report"}
    assert graph.with_descendants(["discover@clusters"]) == {"discover@clusters", "report"}


def test_only_the_item_that_others_of_its_matrix_wait_for_stands_apart() -> None:
    graph = load_graph(ROOT)
    waiting = {node.name: graph.waiting(node) for node in graph if node.group == "transcribe"}

    assert waiting.pop("transcribe@base") == 1
    assert set(waiting.values()) == {0}


def test_a_run_knows_nothing_of_the_arms_that_it_leaves_out() -> None:
    graph, everything = load_graph(ROOT, models=("base", "ewc", "placebo")), load_graph(ROOT)

    assert {node.item for node in graph if node.group == "mitigate"} == {"ewc", "placebo"}
    assert {node.item for node in graph if node.group == "transcribe"} == {"base", "ewc", "placebo"}
    assert not [dep for node in graph for dep in node.deps if dep.endswith(("/finetune", "/l2sp", "/oversample"))]
    assert graph.edges < everything.edges


def test_a_run_without_an_amortized_model_makes_none_and_times_none() -> None:
    graph = load_graph(ROOT, models=("base", "ewc", "placebo"))

    assert not {"amortize", "timing"} & {node.group for node in graph}
    assert not [dep for node in graph for dep in node.deps if "dense" in dep or "amortized" in dep]


def test_a_run_with_an_amortized_model_times_it_beside_its_control_before_they_are_judged() -> None:
    graph = load_graph(ROOT, models=("base", "dense", "amortized"))

    assert "mitigate" not in {node.group for node in graph}
    assert {("amortize@dense", "timing"), ("amortize@amortized", "timing"), ("timing", "evaluate")} <= graph.edges


def test_a_run_without_arms_goes_from_the_base_model_to_the_evaluation() -> None:
    graph = load_graph(ROOT, models=("base",))

    assert "mitigate" not in {node.group for node in graph}
    assert next(node for node in graph if node.name == "evaluate").upstream == (
        "train", "transcribe@base", *(f"discover@{method}" for method in METHODS))


def test_another_list_of_arms_runs_nothing_again_that_both_lists_name() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    listing = {node.group for node in load_graph(ROOT) if "mitigate.arms" in node.params}

    assert "mitigate.arms" in stages["mitigate"]["params"]  # which `dvc repro` in a checkout goes by
    assert listing == {"evaluate"}


def test_an_unknown_reference_is_refused_by_name() -> None:
    with pytest.raises(ParamsError, match=r"mitigate\.cohort"):
        parse_graph(STAGES, {"mitigate.cohort": ("tree",)})


def test_a_cycle_is_refused_by_name() -> None:
    stages = {"a": {"cmd": "a", "deps": ["y"], "outs": ["x"]}, "b": {"cmd": "b", "deps": ["x"], "outs": ["y"]}}

    with pytest.raises(ParamsError, match="cycles, got \\['a', 'b'\\]"):
        parse_graph(stages, {}).in_order()


def test_order_puts_every_stage_after_those_it_reads_from() -> None:
    order = [node.name for node in load_graph(ROOT).in_order()]

    for above, below in load_graph(ROOT).edges:
        assert order.index(above) < order.index(below)


def test_nodes_and_edges_are_those_that_dvc_finds() -> None:
    asked = ("import json; from dvc.repo import Repo; graph = Repo().index.graph; "
             "print(json.dumps([sorted(s.addressing for s in graph.nodes), "
             "sorted([below.addressing, above.addressing] for below, above in graph.edges)]))")
    answer = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)
    names, edges = json.loads(answer.stdout.splitlines()[-1])
    graph = load_graph(ROOT)

    assert sorted(graph.names) == names
    assert sorted([below, above] for above, below in graph.edges) == edges
