"""By which the products are found in MLflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Names:
    """By which a product is found.

    Attributes:
        product: and folder of the model files inside a logged model.
        experiment: in MLflow; also the name of the DAG.
        model: in the registry; empty where none is registered.
        trail: file of the audit record; empty where nothing is promoted.
    """

    product: str
    experiment: str
    model: str
    trail: str


RECOGNISER: Final = Names(product="recogniser", experiment="train_asr", model="evenvoice-asr", trail="audit.jsonl")
VERIFIER: Final = Names(product="verifier", experiment="train_verifier", model="evenvoice-verifier",
                        trail="audit-verifier.jsonl")
MULTITALKER: Final = Names(product="multitalker", experiment="train_multitalker", model="evenvoice-multitalker",
                           trail="audit-multitalker.jsonl")
EVERY: Final = (RECOGNISER, VERIFIER, MULTITALKER)
JUDGEMENT: Final = Names(product="judgement", experiment="evenvoice-judge", model="", trail="")
"""Of somebody's recogniser: recorded, and never registered."""
RECORDED: Final = (*EVERY, JUDGEMENT)
"""Those that have an experiment."""
