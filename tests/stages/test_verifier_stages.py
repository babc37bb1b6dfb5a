"""From features to the page of a verifier, stage by stage, on voices that are told apart by their spectrum."""

import re

import pytest

from evenvoice.data.schemas import SPEAKERS, TRIALS, UTTERANCES
from evenvoice.data.tables import read_table, rows_table, write_table
from evenvoice.errors import ArtifactError
from evenvoice.params import WEIGHTINGS, load_params
from evenvoice.storage import read_json, write_json
from stages import embed, evaluate_verifier, gate_verifier, paths, report_verifier, train_speaker, verify
from tests.builders.speakers import write_voices

PEOPLE = {"train": 12, "discover": 12, "validate": 8, "test": 14}


@pytest.fixture(scope="module")
def params():
    loaded = load_params()
    return loaded.model_copy(update={
        "train_speaker": loaded.train_speaker.model_copy(update={
            "encoder": "conv", "steps": 30, "width": 16, "embedding": 8, "speakers_per_batch": 6, "crop_s": 0.3}),
        "verify": loaded.verify.model_copy(update={"columns": ("gender",), "clusters": 2}),
        "verifier_gate": loaded.verifier_gate.model_copy(update={"min_speakers": 3}),
        "evaluate": loaded.evaluate.model_copy(update={"replicates": 200}),
        "report": loaded.report.model_copy(update={"min_speakers": 3})})


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, params):
    """A run up to its page."""
    folder = tmp_path_factory.mktemp("verifier")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_voices(paths.FEATURES, speakers=PEOPLE)
        write_corpus()
        for weighting in WEIGHTINGS:
            train_speaker.main(params, weighting)
            verify.main(params, weighting)
        embed.main(params)
        evaluate_verifier.main(params)
        gate_verifier.main(params)
        report_verifier.main(params)
    return folder


@pytest.fixture
def here(workspace, monkeypatch):
    monkeypatch.chdir(workspace)


def write_corpus() -> None:
    rows: list[dict[str, object]] = [
        {"speaker": f"{split}-{number}", "split": split, "gender": ("female", "male")[number % 2], "further": []}
        for split, count in PEOPLE.items() for number in range(count)]
    paths.CORPUS.mkdir(parents=True)
    write_table(paths.CORPUS / "speakers.parquet", rows_table(rows, SPEAKERS))
    utterances = paths.CORPUS / "utterances"
    utterances.mkdir()
    write_table(utterances / "utterances-00000.parquet", rows_table([], UTTERANCES))
    write_json(paths.CORPUS / "summary.json", {
        "labelled": "recorded", "speakers_overlap": False, "hours": 0.1,
        "splits": {split: {"speakers": count} for split, count in PEOPLE.items()}})


def test_trials_are_scored_for_everyone_but_the_training_speakers(here):
    rows = read_table(paths.TRIALS / "none" / "trials.parquet", TRIALS)
    assert set(rows["split"].to_pylist()) == {"discover", "validate", "test"}
    assert rows["score"].to_numpy().max() <= 1.0001
    assert {path.name for path in (paths.TRIALS / "none").iterdir()} == {"trials.parquet", "origin.json"}


def test_the_verdict_speaks_of_every_group(here):
    verdict = read_json(paths.VERIFIER_VERDICT)
    assert verdict["verdict"] in ("PASS", "FAIL", "INSUFFICIENT")
    assert {(one["partition"], one["group"]) for one in verdict["groups"]} >= {("gender", "female"), ("gender", "male")}


def test_the_page_needs_no_network_and_shows_every_weighting(here):
    page = paths.VERIFIER_REPORT.read_text(encoding="utf-8")
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!#)', page.replace("xlink:href", ""))
    assert page.count("<svg") >= 4
    for title in ("No weighting", "Weights at random", "Adversary, pairwise"):
        assert title in page


def test_the_card_says_what_must_not_be_done(here):
    card = paths.VERIFIER_CARD.read_text(encoding="utf-8")
    assert "What must not be done with it" in card
    assert "| female | gender | 7 |" in card


def test_no_speaker_is_named_where_people_look(here):
    for path in (paths.VERIFIER_REPORT, paths.VERIFIER_CARD, paths.VERIFIER_VERDICT):
        assert "test-1" not in path.read_text(encoding="utf-8")


def test_small_groups_are_hidden_and_so_is_what_would_reveal_them(here, params, tmp_path, monkeypatch):
    strict = params.model_copy(update={"report": params.report.model_copy(update={"min_speakers": 8})})
    monkeypatch.setattr(paths, "VERIFIER_REPORT", tmp_path / "index.html")
    monkeypatch.setattr(paths, "VERIFIER_CARD", tmp_path / "card.md")
    report_verifier.main(strict)
    page, card = ((tmp_path / name).read_text(encoding="utf-8") for name in ("index.html", "card.md"))
    assert "female" not in card
    assert "female" not in page
    assert "are not shown" in page


def test_a_page_about_another_model_is_refused(here, params, tmp_path, monkeypatch):
    verdict = read_json(paths.VERIFIER_VERDICT)
    verdict["origins"]["models"]["none"] = "0" * 64
    write_json(tmp_path / "verdict.json", verdict)
    monkeypatch.setattr(paths, "VERIFIER_VERDICT", tmp_path / "verdict.json")
    with pytest.raises(ArtifactError, match="what the verdict says of 'none' must be about what was evaluated"):
        report_verifier.main(params)


def test_the_same_inputs_give_the_same_figures(here, params, tmp_path, monkeypatch):
    before = {path.name: path.read_bytes() for path in paths.VERIFICATION.iterdir()}
    monkeypatch.setattr(paths, "VERIFICATION", tmp_path / "again")
    evaluate_verifier.main(params)
    assert {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()} == before
