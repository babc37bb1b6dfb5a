"""The DAG files as Airflow sees them, parsed once in a process where the science is not installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dags.dvc_graph import load_graph
from dags.pipelines import PIPELINES, Pipeline
from evenvoice.params import AIMS, MODELS, WEIGHTINGS, Params, load_params

ROOT = Path(__file__).resolve().parents[2]
ABSENT = ("torch", "pyarrow", "mlflow", "dvc", "sklearn", "scipy", "numpy")
PARSE = f"""
import json, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
facts = {{}}
for dag in bag.dags.values():
    dag.validate()
    facts[dag.dag_id] = {{
        "tasks": {{task.task_id: sorted(task.upstream_task_ids) for task in dag.topological_sort()}},
        "stages": {{task.task_id: task.stage for task in dag.tasks if hasattr(task, "stage")}},
        "mapped": {{task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks if task.is_mapped}},
        "rules": {{task.task_id: task.trigger_rule.value for task in dag.tasks}},
        "retries": {{task.task_id: task.retries for task in dag.tasks}},
        "params": {{name: [param.value, param.description, param.schema]
                    for name, param in dag.params.items() for param in [dag.params.get_param(name)]}},
        "doc": dag.doc_md, "catchup": dag.catchup, "schedule": type(dag.timetable).__name__,
        "late_s": getattr(getattr(dag.timetable, "timetable", None), "run_immediately", None),
    }}
print("FACTS" + json.dumps([bag.import_errors, facts], default=lambda late: late.total_seconds()))
"""


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("airflow")
    env = {**os.environ, "AIRFLOW_HOME": str(home), "PYTHONPATH": str(ROOT), "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
           "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags")}
    done = subprocess.run([sys.executable, "-c", PARSE, str(ROOT / "dags")], capture_output=True, text=True, env=env,
                          cwd=home, check=False)
    found = [line for line in done.stdout.splitlines() if line.startswith("FACTS")]
    assert found, done.stderr[-3000:] + done.stdout[-3000:]
    errors, facts = json.loads(found[0].removeprefix("FACTS"))
    assert errors == {}
    return dict(facts)


def test_all_dags_parse_without_the_science(parsed: dict[str, Any]) -> None:
    assert set(parsed) == {*PIPELINES, "judge", "rollback", "reap_containers"}
    assert parsed["train_asr"]["schedule"] == "AssetOrTimeSchedule"
    assert parsed["train_asr"]["catchup"] is False
    assert "INSUFFICIENT waits for your approval" in parsed["train_asr"]["doc"]


@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=PIPELINES)
def test_the_edges_between_stages_are_those_of_dvc_yaml(parsed: dict[str, Any], pipeline: Pipeline) -> None:
    stages, tasks = parsed[pipeline.dag]["stages"], parsed[pipeline.dag]["tasks"]
    edges = {(stages[above], stages[task]) for task in stages for above in tasks[task] if above in stages}
    settled = load_graph(ROOT).leading_to(pipeline.last).edges
    any_run = load_graph(ROOT, {"mitigate.cohorts": AIMS,
                                "discover.clusters.speaker_model": WEIGHTINGS}).leading_to(pipeline.last)

    assert set(stages.values()) == set(any_run.names)
    assert edges == any_run.edges
    assert settled <= edges


def test_products_share_what_several_need_and_nothing_else(parsed: dict[str, Any]) -> None:
    recogniser, verifier, multitalker = (set(parsed[dag]["stages"].values()) for dag in PIPELINES)
    voices = {"ingest", "featurize", "embed", *(f"train_speaker@{name}" for name in WEIGHTINGS)}
    cohorts = {"tokenizer", "train", "transcribe@base", *(f"discover@{name}" for name in AIMS)}

    assert recogniser & verifier == voices == verifier & multitalker
    assert recogniser & multitalker == voices | cohorts
    assert recogniser | verifier | multitalker == set(load_graph(ROOT).names)


def test_a_recogniser_of_two_talkers_needs_the_base_recogniser_and_none_that_is_made_from_it(
        parsed: dict[str, Any]) -> None:
    facts = parsed["train_multitalker"]
    stages = {stage: task for task, stage in facts["stages"].items()}

    assert {stage for stage in stages if stage.endswith("multitalker") or stage == "mix"} == {
        "mix", *(f"{stage}_multitalker" for stage in ("train", "transcribe", "evaluate", "gate", "report"))}
    assert not [stage for stage in stages if stage.startswith(("mitigate", "verify", "thin", "amortize"))]
    assert facts["tasks"]["train_multitalker"] == sorted(["mix", "train"])


def test_a_matrix_is_a_task_group(parsed: dict[str, Any]) -> None:
    stages = parsed["train_asr"]["stages"]

    assert stages["mitigate.ewc"] == "mitigate@ewc"
    assert stages["discover.clusters"] == "discover@clusters"
    assert stages["transcribe_base"] == "transcribe@base"


def test_what_can_be_worked_on_in_shards_has_a_mapped_task_before_it(parsed: dict[str, Any]) -> None:
    facts = parsed["train_asr"]

    assert facts["mapped"]["ingest_shards"] == ["ingest"]
    assert facts["mapped"]["featurize_shards"] == ["featurize"]
    assert facts["mapped"]["transcribe.ewc_shards"] == ["transcribe.ewc"]
    assert facts["tasks"]["ingest_shards"] == ["plan"]
    assert facts["tasks"]["featurize_shards"] == ["ingest"]
    assert facts["tasks"]["transcribe_base_shards"] == ["featurize", "train"]
    assert facts["tasks"]["transcribe.ewc_shards"] == ["featurize", "mitigate.ewc"]
    assert len(facts["mapped"]) == 2 + len(MODELS)
    assert {facts["rules"][task] for task in facts["stages"]} == {"none_failed"}
    assert {facts["retries"][task] for task in facts["mapped"]} == {2}


@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=PIPELINES)
def test_effects_follow_the_graph_one_after_another(parsed: dict[str, Any], pipeline: Pipeline) -> None:
    tasks = parsed[pipeline.dag]["tasks"]

    assert tasks["plan"] == ["snapshot"]
    assert tasks["ingest"] == ["ingest_shards", "plan"]
    assert tasks["record"] == [pipeline.last]
    assert tasks["register"] == ["record"]
    assert tasks["promote"] == ["register"]
    assert tasks["approve"] == ["decide"]
    assert tasks["promote_approved"] == ["approve"]
    assert tasks["leave_at_challenger"] == ["decide"]


def test_the_form_has_every_parameter_with_type_range_and_help(parsed: dict[str, Any]) -> None:
    form = parsed["train_asr"]["params"]

    of_the_run = {"profile", "corpus", "verify", "force", "force_stage", "stale", "attended", "runner"}
    assert set(leaves(Params)) | of_the_run == set(form)
    value, help_text, schema = form["train.steps"]
    assert value is None
    steps = load_params(ROOT / "params.yaml").train.steps
    assert help_text == f"Optimiser steps. Empty: {steps}, as in params.yaml, or what the profile says."
    assert schema == {"type": ["integer", "null"], "minimum": 1, "title": "train.steps", "section": "train"}
    assert form["mitigate.cohorts"][2]["enum"] == [*AIMS, None]
    assert all(help_text for _, help_text, _ in form.values())


def test_turning_the_schedule_on_starts_no_run_of_the_past(parsed: dict[str, Any]) -> None:
    assert parsed["train_asr"]["schedule"] == "AssetOrTimeSchedule"
    assert parsed["train_asr"]["late_s"] == 0, "False means a tenth of a week, which to Airflow is not late"


def test_stages_are_tried_again_only_a_few_times(parsed: dict[str, Any]) -> None:
    retries = parsed["train_asr"]["retries"]

    assert {retries[task] for task in parsed["train_asr"]["stages"]} == {2}
    assert retries["snapshot"] == retries["plan"] == 2


def leaves(section: type[Any], prefix: str = "") -> list[str]:
    names = []
    for name, entry in section.model_fields.items():
        shown = prefix + (entry.alias or name)
        below = entry.annotation if hasattr(entry.annotation, "model_fields") else None
        names += leaves(below, f"{shown}.") if below else [shown]
    return names
