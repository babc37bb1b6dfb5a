"""The Airflow DAG `train_asr`: dvc.yaml rendered into tasks, then the effects."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, CronTriggerTimetable, chain
from airflow.sdk.definitions.param import ParamsDict

from dags.dvc_graph import load_graph
from dags.effects import after_the_graph, mark_finished, plan, snapshot
from dags.pipelines import RECOGNISER
from dags.rendering import render
from dags.runs import ROOT
from dags.trigger_form import choices, form
from evenvoice.params import load_params

DOC = """
Speech in, a trained, cohort-checked, mitigated, gated and registered recogniser out.

The stages are those of `dvc.yaml`, each in this run's own workspace (`.evenvoice/runs/`); a stage whose inputs did not
change is skipped. Then the run is recorded in MLflow, the model registered as *challenger*, and promoted to *champion*
when the fairness gate says PASS. INSUFFICIENT waits for your approval, FAIL leaves it at challenger.

Runs when triggered, every Monday at 03:00 UTC, and when the asset `evenvoice_corpus` is updated.
"""
CORPUS = Asset("evenvoice_corpus")
MONDAYS = CronTriggerTimetable("0 3 * * 1", timezone="UTC", run_immediately=timedelta(0))
"""Turning the schedule on must not start last Monday's run; with False it would, for a tenth of a week."""

with DAG(RECOGNISER.dag, doc_md=DOC, description="Trains, checks, mitigates, gates and registers a speech recogniser",
         schedule=AssetOrTimeSchedule(timetable=MONDAYS, assets=CORPUS), catchup=False, max_active_runs=2,
         tags=["evenvoice"],
         on_success_callback=mark_finished, on_failure_callback=mark_finished) as dag:
    resources = load_params(ROOT / "params.yaml").resources
    chain(snapshot(), planned := plan())
    stages = render(load_graph(ROOT, choices()).leading_to(RECOGNISER.last), resources, planned)
    after_the_graph([stage for stage in stages.values() if not stage.downstream_list], RECOGNISER)

# After the tasks, because Airflow copies the parameters it finds into every task and checks each copy again and again:
# half a minute for 100 parameters and 30 tasks. Tasks see those of the DAG all the same.
dag.params = ParamsDict(form(ROOT, load_graph(ROOT).leading_to(RECOGNISER.last)))
