"""The page and the model card of a recogniser of several talkers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evenvoice.data.schemas import CURVE, ENDPOINTING, TURN_RATES
from evenvoice.data.tables import read_table
from evenvoice.errors import ArtifactError
from evenvoice.metrics.publication import Hidden, Row
from evenvoice.multitalker.evidence import CHALLENGER
from evenvoice.multitalker.publication import hidden_groups, published_verdict, shown_grouping, shown_rates
from evenvoice.origins import ORIGINS, SUMMARY, model_digest
from evenvoice.params import BASE, Ingest
from evenvoice.report.figures.multitalker import endpointing_figure, groups_figure, training_figure
from evenvoice.report.figures.timeline import timeline_figure
from evenvoice.report.page import template
from evenvoice.storage import read_json, sha256
from evenvoice.verification.groups import LABELLED, WHOLE


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the report's inputs lie; ``models`` has a directory for each model."""

    mixtures: Path
    evaluation: Path
    verdict: Path
    models: Path


@dataclass(frozen=True, kw_only=True)
class MultitalkerContents:
    """The report as data; nothing below ``minimum`` speakers is left in it.

    Attributes:
        mixtures: summary of the mixtures.
        rates: rows of the TURN_RATES table.
        groupings: partition -> how it was made, with the groups that may be shown.
        figures: model -> figures of everybody.
        endpointing: rows of the ENDPOINTING table.
        examples: mixtures with what was said and what was heard; speakers have letters instead of names.
        training: summary of the training; ``curve`` its rows of the CURVE table.
        inputs: file name -> sha256 of everything the report was made from.
    """

    verdict: Row
    mixtures: Row
    rates: tuple[Row, ...]
    groupings: dict[str, Row]
    figures: dict[str, Row]
    endpointing: tuple[Row, ...]
    examples: tuple[Row, ...]
    training: Row
    curve: tuple[Row, ...]
    hidden: Hidden
    minimum: int
    inputs: dict[str, str]

    @property
    def challenger(self) -> str:
        """The model that was judged."""
        return str(self.verdict["challenger"])

    @property
    def base(self) -> str:
        """The recogniser of one talker that it is made from, which is also the control."""
        return str(self.verdict["base"])

    def rate(self, model: str, partition: str = WHOLE, group: str = WHOLE) -> Row | None:
        """The row of one model and one group; None when there is none or it is hidden."""
        return next((row for row in self.rates
                     if (row["model"], row["partition"], row["group"]) == (model, partition, group)), None)

    def judged(self, partition: str, group: str, kind: str) -> Row | None:
        """What the gate found of one figure of one group."""
        return next((row for row in self.verdict["groups"]
                     if (row["partition"], row["group"], row["kind"]) == (partition, group, kind)), None)

    def groups(self, partition: str) -> tuple[str, ...]:
        """Groups that may be shown, those that are judged first, worst first."""
        grouping = self.groupings[partition]
        return tuple(group for group in (*grouping["judged"], *grouping["aside"])
                     if self.rate(self.challenger, partition, group) is not None)


def read_multitalker(sources: Sources, minimum: int) -> MultitalkerContents:
    """Read and suppress.

    Raises:
        ArtifactError: an input is missing or unreadable, or they do not come from the same models and mixtures.
    """
    verdict = read_json(sources.verdict)
    model = sources.models / CHALLENGER
    training = read_json(model / SUMMARY)
    _check_origins(model, training, read_json(sources.evaluation / ORIGINS), verdict)
    rates = read_table(sources.evaluation / "rates.parquet", TURN_RATES).to_pylist()
    hidden = hidden_groups(rates, minimum)
    return MultitalkerContents(
        verdict=published_verdict(verdict, hidden), mixtures=read_json(sources.mixtures / SUMMARY),
        rates=tuple(shown_rates(rates, hidden)),
        groupings={name: shown_grouping(one, hidden)
                   for name, one in read_json(sources.evaluation / "groupings.json").items()},
        figures=read_json(sources.evaluation / "figures.json"),
        endpointing=tuple(read_table(sources.evaluation / "endpointing.parquet", ENDPOINTING).to_pylist()),
        examples=tuple(read_json(sources.evaluation / "examples.json")), training=training,
        curve=tuple(read_table(model / "curve.parquet", CURVE).to_pylist()), hidden=hidden, minimum=minimum,
        inputs=_digests(sources, model))


def render_multitalker(contents: MultitalkerContents, *, seed: int) -> str:
    """The report as one HTML file without scripts, fonts, images or links that would need a network."""
    figures = {"timelines": [timeline_figure(example) for example in contents.examples],
               "groups": {name: groups_figure(contents, name) for name in contents.groupings},
               "endpointing": endpointing_figure(contents), "training": training_figure(contents)}
    return template("multitalker.html.j2", escape=True).render(contents=contents, figures=figures, titles=_titles(),
                                                               seed=seed)


def render_multitalker_card(contents: MultitalkerContents, *, ingest: Ingest) -> str:
    """The model card as Markdown."""
    return template("multitalker_card.md.j2", escape=False).render(contents=contents, ingest=ingest)


def _titles() -> dict[str, str]:
    return {CHALLENGER: "Recogniser of several talkers", BASE: "Base recogniser, of one talker (control)"}


def _check_origins(model: Path, training: Row, origins: Row, verdict: Row) -> None:
    found = {"model": model_digest(model), "base": training.get("base"), "mixtures": training.get("mixtures")}
    for part, digest in found.items():
        if origins[part] != digest:
            raise ArtifactError(name=f"the {part} behind the evaluation", rule=f"be that of the model in {model}",
                                value="another one", action="Run the stage evaluate_multitalker again.")
        if verdict["origins"].get(part) != digest:
            raise ArtifactError(name=f"what the verdict says of the {part}", rule="be about what was evaluated",
                                value="another one", action="Run the stage gate_multitalker again.")


def _digests(sources: Sources, model: Path) -> dict[str, str]:
    """sha256 of each input small enough to be an input of this page, in name order."""
    files = [sources.mixtures / SUMMARY, sources.verdict,
             *sorted(path for path in sources.evaluation.iterdir() if path.name != LABELLED), *sorted(model.iterdir())]
    return {str(path): sha256(path) for path in files}
