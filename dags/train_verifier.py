"""The Airflow DAG `train_verifier`: the stages of dvc.yaml that lead to a speaker verifier, then the effects."""

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
Speech in, a speaker verifier out whose error rates are told for every group, gated and registered.

The stages are those of `dvc.yaml`, each in this run's own workspace (`.evenvoice/runs/`); a stage whose inputs did not
change is skipped. One encoder is trained for each weighting of speakers, the controls among them. Then the run is
recorded in MLflow, the chosen verifier registered as *challenger*, and promoted to *champion* when the fairness gate
says PASS. INSUFFICIENT waits for your approval, FAIL leaves it at challenger.

Runs when triggered, and when the asset `evenvoice_corpus` is updated.
"""
VERIFIER = PIPELINES["train_verifier"]
CORPUS = Asset("evenvoice_corpus")

with DAG(VERIFIER.dag, doc_md=DOC, description="Trains, weighs, gates and registers a speaker verifier",
         schedule=CORPUS, catchup=False, max_active_runs=2, tags=["evenvoice"],
         on_success_callback=mark_finished, on_failure_callback=mark_finished) as dag:
    resources = load_params(ROOT / "params.yaml").resources
    chain(snapshot(), planned := plan())
    stages = render(load_graph(ROOT, choices()).leading_to(VERIFIER.last), resources, planned)
    after_the_graph([stage for stage in stages.values() if not stage.downstream_list], VERIFIER)

# after the tasks, as in train_asr
dag.params = ParamsDict(form(ROOT, load_graph(ROOT).leading_to(VERIFIER.last)))
