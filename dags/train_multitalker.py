"""The Airflow DAG `train_multitalker`: the stages that lead to a recogniser of two talkers, then the effects."""

from __future__ import annotations

from airflow.sdk import DAG, Asset, chain
from airflow.sdk.definitions.param import ParamsDict

from dags.dvc_graph import load_graph
from dags.effects import after_the_graph, mark_finished, plan, snapshot
from dags.pipelines import PIPELINES
from dags.rendering import render
from dags.runs import ROOT
from dags.trigger_form import choices, form
from evenvoice.params import load_params

DOC = """
Speech in, a recogniser out that hears two people at once and says when each turn begins and ends, gated and registered.

The stages are those of `dvc.yaml`, each in this run's own workspace (`.evenvoice/runs/`); a stage whose inputs did not
change is skipped. Recordings of one speaker each are mixed, and the base recogniser is trained on to hear two talkers
in the mixtures. Then the run is recorded in MLflow, the recogniser registered as *challenger*, and promoted to
*champion* when the fairness gate says PASS. INSUFFICIENT waits for your approval, FAIL leaves it at challenger.

Runs when triggered, and when the asset `evenvoice_corpus` is updated.
"""
MULTITALKER = PIPELINES["train_multitalker"]
CORPUS = Asset("evenvoice_corpus")

with DAG(MULTITALKER.dag, doc_md=DOC, description="Trains, gates and registers a recogniser of two talkers at once",
         schedule=CORPUS, catchup=False, max_active_runs=2, tags=["evenvoice"],
         on_success_callback=mark_finished, on_failure_callback=mark_finished) as dag:
    resources = load_params(ROOT / "params.yaml").resources
    chain(snapshot(), planned := plan())
    stages = render(load_graph(ROOT, choices()).leading_to(MULTITALKER.last), resources, planned)
    after_the_graph([stage for stage in stages.values() if not stage.downstream_list], MULTITALKER)

# after the tasks, as in train_asr
dag.params = ParamsDict(form(ROOT, load_graph(ROOT).leading_to(MULTITALKER.last)))
