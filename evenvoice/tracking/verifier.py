"""The speaker verifier as a product.

Embeddings are biometric data: none is recorded, registered or kept. What a later challenger is compared with are
scores of trials, outside MLflow.
"""

from __future__ import annotations

import tempfile
from math import exp, expm1, isfinite, log1p
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from evenvoice.data.schemas import CURVE, TRIALS, VERIFICATION, VERIFICATION_GAPS
from evenvoice.data.tables import read_table, write_table
from evenvoice.errors import ArtifactError
from evenvoice.metrics.bootstrap import ratio_of_models
from evenvoice.metrics.partitions import metric_scope
from evenvoice.origins import model_digest
from evenvoice.storage import read_json, sha256
from evenvoice.tracking import manifest, published
from evenvoice.tracking.comparison import OUTCOMES, Comparison, Rules, not_comparable
from evenvoice.tracking.names import VERIFIER as NAMES
from evenvoice.tracking.product import Interface, ServedSettings
from evenvoice.tracking.recogniser import REQUIREMENTS, example_audio
from evenvoice.tracking.run_files import RunFiles
from evenvoice.tracking.store import Point
from evenvoice.verification.assembling import assemble
from evenvoice.verification.publication import hidden_groups, published_verdict, shown_gaps, shown_rates
from evenvoice.verification.resampling import PairBootstrap, Pairs

RATES: Final = ("eer", "eer_low", "eer_high", "miss", "miss_low", "miss_high", "false_alarm", "false_alarm_low",
                "false_alarm_high")
TRIAL_SCORES: Final = pa.schema([TRIALS.field(name) for name in ("first_speaker", "second_speaker", "score")])
"""One row per test trial of one registered version."""
CURVES: Final = ("loss", "learning_rate", "effective_share")


class VerifierFiles(RunFiles):
    """What a run of train_verifier left."""

    @property
    def evaluation(self) -> Path:
        """Directory of the tables about verifiers."""
        return self.workspace / "artifacts/verification"

    @property
    def verdict_file(self) -> Path:
        """The gate's verdict."""
        return self.workspace / "reports/verifier/verdict.json"

    @property
    def report(self) -> Path:
        """The self-contained page."""
        return self.workspace / "reports/verifier/index.html"

    @property
    def model_card(self) -> Path:
        """The model card."""
        return self.workspace / "reports/verifier/model_card.md"

    def model(self, name: str) -> Path:
        """Directory of a speaker encoder, by its weighting."""
        return self.workspace / "artifacts/speaker_models" / name

    def trials(self, name: str) -> Path:
        """The scored trials of a verifier."""
        return self.workspace / "artifacts/trials" / name / "trials.parquet"

    @property
    def models(self) -> tuple[str, ...]:
        """The unweighted verifier and the challenger, which may be the same."""
        return tuple(dict.fromkeys((str(self.judgement["base"]), self.challenger)))

    def demand_one_origin(self) -> None:
        """See that every stage read what the stages before it made, and that the verdict is about the models here.

        Raises:
            ArtifactError: it is about something else, which is named.
        """
        self.demand_agreement()
        judged = self.judgement.get("origins", {}).get("models", {})
        for name in self.models:
            if judged.get(name) != model_digest(self.model(name)):
                raise ArtifactError(name=f"what {self.verdict_file} says of {name!r}",
                                    rule=f"come from the model in {self.model(name)}", value="another one",
                                    action="Run gate_verifier again: make run DAG=train_verifier "
                                           "FORCE_STAGE=gate_verifier.")


class Verifier:
    """A :class:`evenvoice.tracking.product.Product`."""

    names = NAMES

    def files(self, workspace: Path) -> VerifierFiles:
        """What a finished run left."""
        return VerifierFiles(workspace)

    def figures(self, files: RunFiles, min_speakers: int) -> dict[str, float]:
        """Rates of every verifier and group on test speakers, gaps, detection costs, and measured times."""
        rates = read_table(files.evaluation / "rates.parquet", VERIFICATION).to_pylist()
        hidden = hidden_groups(rates, min_speakers)
        found: dict[str, float | None] = {}
        for row in shown_rates(rates, hidden):
            if row["split"] == "test":
                scope = _scope(row["partition"], row["group"])
                found |= {f"{rate}/{row['model']}/test/{scope}": row[rate] for rate in RATES}
        for row in shown_gaps(read_table(files.evaluation / "gaps.parquet", VERIFICATION_GAPS).to_pylist(), hidden):
            found[f"{row['figure']}/{row['model']}/test/{row['partition']}"] = row["value"]
        for model, figures in read_json(files.evaluation / "figures.json").items():
            found |= {f"{name}/{model}/test/whole": float(value) for name, value in figures.items()}
        known = {published.metric_name(name): value for name, value in found.items() if value is not None}
        return known | published.measured(files)

    def curves(self, files: RunFiles) -> list[Point]:
        """Of the unweighted verifier and the challenger."""
        return [Point(name=f"train/{model}/{name}", value=row[name], step=row["step"], after_ms=0)
                for model in files.models
                for row in read_table(files.model(model) / "curve.parquet", CURVE).to_pylist()
                for name in CURVES if row[name] is not None]

    def verdict(self, files: RunFiles, min_speakers: int) -> dict[str, Any]:
        """The verdict without what it says about hidden groups."""
        rates = read_table(files.evaluation / "rates.parquet", VERIFICATION).to_pylist()
        return published_verdict(files.judgement, hidden_groups(rates, min_speakers))

    def tags(self, files: RunFiles, min_speakers: int) -> dict[str, str]:
        """None beside those of lineage."""
        return {}

    def collect(self, files: RunFiles, into: Path) -> str:
        """The challenger's encoder with its calibration."""
        calibration = read_json(files.evaluation / "calibrations.json").get(files.challenger)
        with tempfile.TemporaryDirectory() as scratch:
            assemble(files.model(files.challenger), calibration, Path(scratch))
            return manifest.collect(Path(scratch), files.verdict_file, into)

    def interface(self, settings: ServedSettings) -> Interface:
        """Pairs of recordings in, a likelihood ratio and a decision out."""
        return Interface(
            code=Path(__file__).with_name("served_verifier.py"), requirements=REQUIREMENTS,
            inputs={"first_audio": "binary", "second_audio": "binary", "first_path": "string",
                    "second_path": "string"},
            outputs={"llr": "double", "same": "boolean"}, params={},
            example={"first_audio": example_audio(), "second_audio": example_audio()},
            config={"max_duration_s": settings.max_duration_s})

    def keep_evidence(self, files: RunFiles, into: Path) -> str:
        """Scores of test trials.

        Raises:
            ArtifactError: there is none.
        """
        assert isinstance(files, VerifierFiles)
        table = read_table(files.trials(files.challenger), TRIALS)
        chosen = table.filter(pc.equal(table["split"], "test"))
        if chosen.num_rows == 0:
            raise ArtifactError(name=str(files.trials(files.challenger)), rule="hold test trials", value="none",
                                action="Run the stage verify again.")
        write_table(into, chosen.select(TRIAL_SCORES.names))
        return sha256(into)

    def compare(self, *, champion: Path, champion_digest: str | None, challenger: Path, rules: Rules) -> Comparison:
        """By equal error rate, on the same trials of the same resampled speakers.

        Raises:
            ArtifactError: the champion's table is not the one that was registered.
        """
        if not champion.exists() or champion_digest is None:
            return not_comparable("this machine holds no scores of the champion's trials")
        if sha256(champion) != champion_digest:
            raise ArtifactError(name=str(champion), rule=f"have SHA-256 {champion_digest}", value=sha256(champion),
                                action="The table was altered: restore it from a backup.")
        old, new = read_table(champion, TRIAL_SCORES), read_table(challenger, TRIAL_SCORES)
        if not all(old[name].equals(new[name]) for name in TRIAL_SCORES.names[:2]):
            return not_comparable(f"the champion was tested on other trials ({old.num_rows}, {new.num_rows} now)")
        return _paired(old, new, rules)


VERIFIER: Final = Verifier()


def _paired(old: pa.Table, new: pa.Table, rules: Rules) -> Comparison:
    names, numbers = np.unique(np.concatenate([old[name].to_numpy() for name in TRIAL_SCORES.names[:2]]).astype(str),
                               return_inverse=True)
    first, second = numbers.astype(np.int64).reshape(2, -1)
    bootstrap = PairBootstrap(len(names), rules.replicates, np.random.default_rng(rules.seed))
    reference, model = (bootstrap.log_equal_error_rate(table["score"].to_numpy(), Pairs(first, second))
                        for table in (old, new))
    change = ratio_of_models(model, reference)
    low, high = change.lower(rules.confidence), change.upper(rules.confidence)
    outcome = ("not worse" if high <= log1p(rules.margin) else "worse" if low > log1p(rules.margin) else "undecided")
    reason = (f"equal error rate {exp(model.estimate):.2%} against the champion's {exp(reference.estimate):.2%} on the "
              f"same {len(names)} test speakers ({expm1(low):+.1%} to {expm1(high):+.1%}) is {OUTCOMES[outcome]} "
              f"(margin {rules.margin:.1%}, confidence {rules.confidence:.0%})")
    return Comparison(outcome=outcome, reason=reason, low=expm1(low) if isfinite(low) else None,
                      high=expm1(high) if isfinite(high) else None, speakers=len(names))


def _scope(partition: str, group: str) -> str:
    return "whole" if partition == "whole" else metric_scope(partition, group)
