"""The page and the model card of a speaker verifier."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evenvoice.data.schemas import CURVE, DETECTION, VERIFICATION, VERIFICATION_GAPS, WEIGHING
from evenvoice.data.tables import read_table
from evenvoice.errors import ArtifactError
from evenvoice.metrics.publication import Hidden, Row
from evenvoice.origins import SUMMARY, model_digest
from evenvoice.params import WEIGHTING_TITLES, WEIGHTINGS, Ingest
from evenvoice.report.figures.verification import detection_figure, game_figure, groups_figure, weightings_figure
from evenvoice.report.page import template
from evenvoice.storage import read_json, sha256
from evenvoice.verification.evaluation import CONDITION
from evenvoice.verification.groups import LABELLED, VOICES, WHOLE
from evenvoice.verification.publication import hidden_groups, published_verdict, shown_gaps, shown_rates


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the report's inputs lie."""

    corpus: Path
    verification: Path
    verdict: Path
    models: Path


@dataclass(frozen=True, kw_only=True)
class VerifierContents:
    """The report as data; nothing below ``minimum`` speakers is left in it.

    Attributes:
        rates, gaps: rows of the VERIFICATION table on test speakers, and of the VERIFICATION_GAPS table.
        groupings: partition -> how it was made, with the groups that may be shown.
        figures: verifier -> figures of everybody that have no interval.
        detection: verifier -> its curve of misses against false alarms.
        training: verifier -> summary of its training; ``curves`` and ``weighing`` likewise.
        inputs: file name -> sha256 of everything the report was made from.
    """

    verdict: Row
    corpus: Row
    rates: tuple[Row, ...]
    gaps: tuple[Row, ...]
    groupings: dict[str, Row]
    figures: dict[str, Row]
    calibrations: dict[str, Row]
    detection: dict[str, tuple[Row, ...]]
    selection: Row
    training: dict[str, Row]
    curves: dict[str, tuple[Row, ...]]
    weighing: dict[str, tuple[Row, ...]]
    hidden: Hidden
    minimum: int
    inputs: dict[str, str]

    @property
    def challenger(self) -> str:
        """The verifier that was judged."""
        return str(self.verdict["challenger"])

    def rate(self, model: str, partition: str = WHOLE, group: str = WHOLE) -> Row | None:
        """The row of one verifier and one group; None when there is none or it is hidden."""
        return next((row for row in self.rates
                     if (row["model"], row["partition"], row["group"]) == (model, partition, group)), None)

    def gap(self, model: str, partition: str, figure: str) -> Row | None:
        """How far the groups of a partition lie apart."""
        return next((row for row in self.gaps
                     if (row["model"], row["partition"], row["figure"]) == (model, partition, figure)), None)

    @property
    def conditions(self) -> tuple[Row, ...]:
        """The challenger under each condition of the trials."""
        return tuple(row for row in self.rates if (row["model"], row["partition"]) == (self.challenger, CONDITION))

    @property
    def controls(self) -> frozenset[str]:
        """Weightings that are trained only to be compared with."""
        return frozenset(one["model"] for one in self.selection["candidates"] if one["control"])


def read_verifier(sources: Sources, minimum: int) -> VerifierContents:
    """Read and suppress.

    Raises:
        ArtifactError: an input is missing or unreadable, or they do not come from the same models.
    """
    origins, verdict = read_json(sources.verification / "origins.json"), read_json(sources.verdict)
    names = [name for name in WEIGHTINGS if name in origins["models"]]
    _check_origins(sources, names, origins, verdict)
    rates = read_table(sources.verification / "rates.parquet", VERIFICATION).to_pylist()
    hidden = hidden_groups(rates, minimum)
    detection = read_table(sources.verification / "detection.parquet", DETECTION).to_pylist()
    groupings = read_json(sources.verification / "groupings.json")
    return VerifierContents(
        verdict=published_verdict(verdict, hidden), corpus=read_json(sources.corpus / "summary.json"),
        rates=tuple(row for row in shown_rates(rates, hidden) if row["split"] == "test"),
        gaps=tuple(shown_gaps(read_table(sources.verification / "gaps.parquet", VERIFICATION_GAPS).to_pylist(),
                              hidden)),
        groupings={name: _shown(one, hidden.get(name, frozenset())) for name, one in groupings.items()},
        figures=read_json(sources.verification / "figures.json"),
        calibrations=read_json(sources.verification / "calibrations.json"),
        detection={name: tuple(row for row in detection if row["model"] == name) for name in names},
        selection=read_json(sources.verification / "selection.json"),
        training={name: read_json(sources.models / name / SUMMARY) for name in names},
        curves={name: tuple(read_table(sources.models / name / "curve.parquet", CURVE).to_pylist()) for name in names},
        weighing={name: tuple(read_table(sources.models / name / "weighing.parquet", WEIGHING).to_pylist())
                  for name in names},
        hidden=hidden, minimum=minimum, inputs=_digests(sources, names))


def render_verifier(contents: VerifierContents, *, seed: int) -> str:
    """The report as one HTML file without scripts, fonts, images or links that would need a network."""
    titles = WEIGHTING_TITLES
    figures = {"groups": {name: groups_figure(contents, name) for name in contents.groupings},
               "detection": detection_figure(contents, titles), "weightings": weightings_figure(contents, titles),
               "game": game_figure(contents, titles)}
    return template("verifier.html.j2", escape=True).render(contents=contents, figures=figures, titles=titles,
                                                            voices=VOICES, seed=seed)


def render_verifier_card(contents: VerifierContents, *, ingest: Ingest) -> str:
    """The model card as Markdown."""
    return template("verifier_card.md.j2", escape=False).render(contents=contents, titles=WEIGHTING_TITLES,
                                                                ingest=ingest)


def _shown(grouping: Row, hidden: frozenset[str]) -> Row:
    return {**grouping, **{part: [group for group in grouping[part] if group not in hidden]
                           for part in ("judged", "aside")}}


def _check_origins(sources: Sources, names: list[str], origins: Row, verdict: Row) -> None:
    for name in names:
        if model_digest(sources.models / name) != origins["models"][name]:
            raise ArtifactError(name=f"what the evaluation says of {name!r}", rule="come from the model beside it",
                                value="another one", action="Run the stage evaluate_verifier again.")
    for name, digest in verdict["origins"]["models"].items():
        if origins["models"].get(name) != digest:
            raise ArtifactError(name=f"what the verdict says of {name!r}", rule="be about what was evaluated",
                                value="another one", action="Run the stage gate_verifier again.")


def _digests(sources: Sources, names: list[str]) -> dict[str, str]:
    """sha256 of each input small enough to be an input of this page, in name order."""
    files = [sources.corpus / "summary.json", sources.verdict,
             *sorted(path for path in sources.verification.iterdir() if path.name != LABELLED),
             *(path for name in names for path in sorted((sources.models / name).iterdir()))]
    return {str(path): sha256(path) for path in files}
