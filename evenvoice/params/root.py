"""All sections together, in the order of params.yaml."""

from __future__ import annotations

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from evenvoice.params.amortize import GATED_ENCODERS, Amortize
from evenvoice.params.arms import Arms
from evenvoice.params.cohorts import Discover
from evenvoice.params.judging import Evaluate, Gate, Report, Wanted
from evenvoice.params.mitigation import Mitigate
from evenvoice.params.multitalker import EvaluateMultitalker, Mix, MultitalkerGate, TrainMultitalker
from evenvoice.params.resources import Resources
from evenvoice.params.section import Section
from evenvoice.params.speech import OWN_COLUMNS, Featurize, Ingest, Synthetic, Tokenizer
from evenvoice.params.training import Embed, Train, TrainSpeaker, Transcribe
from evenvoice.params.verification import VerifierGate, Verify
from evenvoice.params.weightings import Weightings


class Params(Section):
    """All of params.yaml."""

    seed: int = Field(ge=0, lt=2**31, description="All randomness follows from it.")
    ingest: Ingest
    synthetic: Synthetic
    featurize: Featurize
    tokenizer: Tokenizer
    train: Train
    transcribe: Transcribe
    train_speaker: TrainSpeaker
    weightings: Weightings
    embed: Embed
    verify: Verify
    verifier_gate: VerifierGate
    mix: Mix
    train_multitalker: TrainMultitalker
    evaluate_multitalker: EvaluateMultitalker
    multitalker_gate: MultitalkerGate
    discover: Discover
    mitigate: Mitigate
    arms: Arms
    amortize: Amortize
    wanted: Wanted
    evaluate: Evaluate
    gate: Gate
    report: Report
    resources: Resources

    @field_validator("amortize")
    @classmethod
    def _can_be_amortized(cls, amortize: Amortize, info: ValidationInfo) -> Amortize:
        train = info.data.get("train")
        if amortize.enabled and isinstance(train, Train) and train.encoder not in GATED_ENCODERS:
            rule = ValueError(f"Input should be false with train.encoder: {train.encoder}, no part of which can be "
                              f"switched off; of all encoders {', '.join(GATED_ENCODERS)} has such parts")
            raise ValidationError.from_exception_data("Params", [
                {"type": "value_error", "loc": ("enabled",), "input": True, "ctx": {"error": rule}}])
        return amortize

    @model_validator(mode="after")
    def _declared_columns_are_taken_in(self) -> Params:
        known = (*OWN_COLUMNS, *self.ingest.columns)
        lists = {"discover.attributes.columns": self.discover.attributes.columns,
                 "verify.columns": self.verify.columns,
                 "evaluate_multitalker.columns": self.evaluate_multitalker.columns}
        for where, named in lists.items():
            if unknown := [name for name in named if name not in known]:
                raise ValueError(f"{where} must name {', '.join(OWN_COLUMNS)} or columns of ingest.columns, got "
                                 f"{unknown[0]}: add it there, so that ingest takes it in")
        return self
