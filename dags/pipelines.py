"""The products and the DAG that makes each: sub-graphs of one dvc.yaml, told apart by where they lead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from evenvoice.errors import ParamsError


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """A product.

    Attributes:
        dag: the name of its Airflow DAG.
        last: the stage that everything of it leads to.
        product: its name for evenvoice.tracking.
        reports: where its page, verdict and model card lie.
    """

    dag: str
    last: str
    product: str
    reports: str


PIPELINES: Final = {pipeline.dag: pipeline for pipeline in (
    Pipeline(dag="train_asr", last="report", product="recogniser", reports="reports"),
    Pipeline(dag="train_verifier", last="report_verifier", product="verifier", reports="reports/verifier"),
    Pipeline(dag="train_multitalker", last="report_multitalker", product="multitalker",
             reports="reports/multitalker"))}
RECOGNISER: Final = PIPELINES["train_asr"]


def pipeline(dag: str) -> Pipeline:
    """The one that a DAG makes.

    Raises:
        ParamsError: there is no DAG of this name.
    """
    if dag not in PIPELINES:
        raise ParamsError(name="DAG", rule=f"be one of {', '.join(PIPELINES)}", value=dag, action="Name one of these.")
    return PIPELINES[dag]
