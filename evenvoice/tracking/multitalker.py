"""The recogniser of two talkers at once as a product."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from evenvoice.data.schemas import CURVE, ENDPOINTING, MIXTURE_ERRORS, SPOKEN_TURNS, TURN_RATES
from evenvoice.data.tables import read_table, rows_table, write_table
from evenvoice.errors import ArtifactError
from evenvoice.metrics.partitions import metric_scope
from evenvoice.multitalker.publication import hidden_groups, published_verdict, shown_rates
from evenvoice.multitalker.served import Row, summed
from evenvoice.origins import SUMMARY, model_digest
from evenvoice.params import BASE
from evenvoice.storage import read_json, sha256
from evenvoice.tracking import comparison, lineage, manifest, published
from evenvoice.tracking.comparison import Comparison, Rules
from evenvoice.tracking.cost import FORWARD_AND_BACK
from evenvoice.tracking.names import MULTITALKER as NAMES
from evenvoice.tracking.product import Interface, ServedSettings
from evenvoice.tracking.recogniser import REQUIREMENTS, example_audio
from evenvoice.tracking.run_files import RunFiles
from evenvoice.tracking.served_audio import COLUMNS
from evenvoice.tracking.store import Point
from evenvoice.verification.groups import WHOLE

RATES: Final = tuple(name for name in TURN_RATES.names if pa.types.is_floating(TURN_RATES.field(name).type))
ENDS: Final = tuple(name for name in ENDPOINTING.names if name not in ("kind", "hangover_s"))
TEST: Final = "test"
SPEAKER_ERRORS: Final = pa.schema([
    pa.field("speaker", pa.string(), nullable=False),
    pa.field("words", pa.int64(), nullable=False),
    pa.field("errors", pa.float64(), nullable=False),  # with a share of those that belong to no turn
    pa.field("turns", pa.string(), nullable=False),  # digest of where and when the speaker spoke
])
"""One row per test speaker of one registered version."""
CURVES: Final = ("loss", "learning_rate")


class MultitalkerFiles(RunFiles):
    """What a run of train_multitalker left."""

    @property
    def evaluation(self) -> Path:
        """Directory of the evaluation's tables."""
        return self.workspace / "artifacts/multitalker"

    @property
    def verdict_file(self) -> Path:
        """The gate's verdict."""
        return self.workspace / "reports/multitalker/verdict.json"

    @property
    def report(self) -> Path:
        """The self-contained page."""
        return self.workspace / "reports/multitalker/index.html"

    @property
    def model_card(self) -> Path:
        """The model card."""
        return self.workspace / "reports/multitalker/model_card.md"

    @property
    def compute_file(self) -> Path:
        """What it took each model to hear the mixtures."""
        return self.workspace / "artifacts/turns/compute.json"

    def model(self, name: str) -> Path:
        """Directory of the recogniser of two talkers, or of the base recogniser."""
        return super().model(name) if name == BASE else self.workspace / "artifacts/multitalker_models" / name

    @property
    def models(self) -> tuple[str, ...]:
        """The base recogniser and the one of two talkers that is made from it."""
        return str(self.judgement["base"]), self.challenger

    def demand_one_origin(self) -> None:
        """See that every stage read what the stages before it made, and that the verdict is about the models here.

        Raises:
            ArtifactError: it is about something else, which is named.
        """
        self.demand_agreement()
        judged = self.judgement.get("origins", {})
        trained_on = read_json(self.model(self.challenger) / SUMMARY).get("mixtures")
        base, model = (model_digest(self.model(name)) for name in self.models)
        for part, digest in {"base": base, "model": model, "mixtures": trained_on}.items():
            if judged.get(part) != digest:
                raise ArtifactError(name=f"what {self.verdict_file} says of the {part}",
                                    rule=f"be about what lies in {self.workspace}", value="another one",
                                    action="Run gate_multitalker again: make run DAG=train_multitalker "
                                           "FORCE_STAGE=gate_multitalker.")


class Multitalker:
    """A :class:`evenvoice.tracking.product.Product`."""

    names = NAMES

    def files(self, workspace: Path) -> MultitalkerFiles:
        """What a finished run left."""
        return MultitalkerFiles(workspace)

    def figures(self, files: RunFiles, min_speakers: int) -> dict[str, float]:
        """Rates of both models and every group on test speakers, ends of turns, measured times and costs."""
        rates = read_table(files.evaluation / "rates.parquet", TURN_RATES).to_pylist()
        found: dict[str, float | None] = {}
        for row in shown_rates(rates, hidden_groups(rates, min_speakers)):
            scope = _scope(row["partition"], row["group"])
            found |= {f"{rate}/{row['model']}/test/{scope}": row[rate] for rate in RATES}
        for model, figures in read_json(files.evaluation / "figures.json").items():
            found |= {f"{name}/{model}/test/whole": value for name, value in figures.items()}
        for row in read_table(files.evaluation / "endpointing.parquet", ENDPOINTING).to_pylist():
            if row["kind"] == "model":
                found |= {f"endpointing/{name}/{files.challenger}/test": row[name] for name in ENDS}
        found |= {f"cost/{name}": value for name, value in _costs(files).items()}
        known = {published.metric_name(name): float(value) for name, value in found.items() if value is not None}
        return known | published.measured(files)

    def curves(self, files: RunFiles) -> list[Point]:
        """Of the base recogniser and of the one that is made from it."""
        return [Point(name=f"train/{model}/{name}", value=row[name], step=row["step"], after_ms=0)
                for model in files.models
                for row in read_table(files.model(model) / "curve.parquet", CURVE).to_pylist()
                for name in CURVES if row[name] is not None]

    def verdict(self, files: RunFiles, min_speakers: int) -> dict[str, Any]:
        """The verdict without what it says about hidden groups."""
        rates = read_table(files.evaluation / "rates.parquet", TURN_RATES).to_pylist()
        return published_verdict(files.judgement, hidden_groups(rates, min_speakers))

    def tags(self, files: RunFiles, min_speakers: int) -> dict[str, str]:
        """What the model costs."""
        return {f"{lineage.COST}/{name}": f"{value:.6g}" for name, value in _costs(files).items()}

    def collect(self, files: RunFiles, into: Path) -> str:
        """The challenger's files."""
        return manifest.collect(files.model(files.challenger), files.verdict_file, into)

    def interface(self, settings: ServedSettings) -> Interface:
        """Recordings in, turns out; turns travel as JSON texts."""
        return Interface(
            code=Path(__file__).with_name("served_multitalker.py"), requirements=(*REQUIREMENTS, "pyarrow"),
            inputs=COLUMNS, outputs={"turns": "string"}, params={"sample_rate": ("integer", settings.sample_rate)},
            example={"audio": example_audio()}, config={"max_duration_s": settings.max_duration_s})

    def keep_evidence(self, files: RunFiles, into: Path) -> str:
        """Errors per test speaker, by which the rate of everybody is the ORC-WER.

        Raises:
            GateError: there is no test speaker, or turns and mixtures are not about the same words.
        """
        spoken = _judged(files, "spoken.parquet", SPOKEN_TURNS)
        served = summed(spoken, _judged(files, "mixtures.parquet", MIXTURE_ERRORS))
        digests = _digests(spoken)
        rows = [{"speaker": speaker, "words": int(words), "errors": float(errors), "turns": digests[speaker]}
                for speaker, words, errors in zip(served.speakers, served.words_S, served.orc_errors.errors,
                                                  strict=True)]
        write_table(into, rows_table(rows, SPEAKER_ERRORS))
        return sha256(into)

    def compare(self, *, champion: Path, champion_digest: str | None, challenger: Path, rules: Rules) -> Comparison:
        """By ORC-WER, on the same turns of the same speakers."""
        return comparison.compare(champion=champion, champion_digest=champion_digest, challenger=challenger,
                                  rules=rules, schema=SPEAKER_ERRORS)


MULTITALKER: Final = Multitalker()


def _scope(partition: str, group: str) -> str:
    return WHOLE if partition == WHOLE else metric_scope(partition, group)


def _costs(files: RunFiles) -> dict[str, float]:
    """As those of a recogniser of one talker (:mod:`evenvoice.tracking.cost`), of the challenger."""
    assert isinstance(files, MultitalkerFiles)
    work = float(read_json(files.compute_file)[files.challenger]["macs_per_audio_s"])
    audio_s = float(read_json(files.model(files.challenger) / SUMMARY)["audio_s"])
    seconds = published.measured(files).get("time/train_multitalker/seconds")
    return {"macs_per_audio_s": work, "training_macs": FORWARD_AND_BACK * audio_s * work,
            **({} if seconds is None else {"training_seconds": seconds})}


def _judged(files: RunFiles, name: str, schema: pa.Schema) -> list[Row]:
    """Rows about the challenger on test mixtures."""
    return [row for row in read_table(files.evaluation / name, schema).to_pylist()
            if (row["model"], row["split"]) == (files.challenger, TEST)]


def _digests(spoken: list[Row]) -> dict[str, str]:
    """Of each speaker: in which mixtures they spoke how many words, from when to when."""
    turns: defaultdict[str, list[list[Any]]] = defaultdict(list)
    for row in spoken:
        turns[row["speaker"]].append([row["mixture"], row["start_s"], row["end_s"], row["words"]])
    return {speaker: hashlib.sha256(json.dumps(sorted(own)).encode()).hexdigest() for speaker, own in turns.items()}
