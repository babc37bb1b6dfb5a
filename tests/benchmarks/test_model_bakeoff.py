"""The bake-off: what is trained, what the table says, and one real trial of each arm at toy size."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import model_bakeoff
from benchmarks.bakeoff.corpus import Corpus, prepare
from benchmarks.bakeoff.figure import bakeoff_figure
from benchmarks.bakeoff.plan import ARMS, Arm, Recipe, repetitions, tuning
from benchmarks.bakeoff.standing import Scored, markdown, standings
from evenvoice.params import load_params
from evenvoice.storage import read_json
from tests.builders.checkout import ROOT
from tests.builders.models import FEATURIZE, TEXTS, TOKENIZER, write_features

WORDS = np.full(40, 100)


def scored(errors_per_speaker: float, macs: float = 30e6, seeds: int = 3) -> Scored:
    errors = np.random.default_rng(1).poisson(errors_per_speaker, (seeds, 40))
    return Scored(words_S=WORDS, errors_NS=errors, macs=macs, parameters=1_500_000, cpu_s=60, recipe="adamw 0.002")


def test_every_arm_is_tried_with_its_own_recipes_and_then_whole_seeds_come_one_by_one():
    arms = [Arm.parse("lstm"), Arm.parse("transformer=muon:0.004,0.008,0.016")]
    tried = tuning("c", arms, 600)
    assert [(trial.arm, trial.recipe.name) for trial in tried] == [
        ("lstm", "adamw 0.002"), ("lstm", "adamw 0.004"),
        ("transformer", "muon 0.004"), ("transformer", "muon 0.008"), ("transformer", "muon 0.016")]
    repeated = repetitions("c", {"lstm": Recipe("adamw", 0.002), "transformer": Recipe("muon", 0.008)}, 2, 600)
    assert [(trial.arm, trial.seed) for trial in repeated] == [
        ("lstm", 1), ("transformer", 1), ("lstm", 2), ("transformer", 2)]
    assert set(tried) & set(repeated) == set(repeated[:2])  # the first seed is the tuned one
    assert len({trial.directory(Path("work")) for trial in [*tried, *repeated]}) == 7


@pytest.mark.parametrize(("text", "says"), [
    ("gru", "the encoder must be one of lstm, "),
    ("lstm=sgd", "the optimiser must be one of adamw, muon, got sgd"),
    ("lstm=adamw:fast", "could not convert string to float: 'fast'")])
def test_an_arm_that_cannot_be_is_refused_by_name(text, says):
    with pytest.raises(ValueError, match=says):
        Arm.parse(text)


def test_a_bakeoff_needs_the_encoder_that_others_are_compared_with(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bakeoff", "--arms", "conformer"])
    with pytest.raises(SystemExit):
        model_bakeoff.main()
    assert "--arms needs lstm, which all others are compared with" in capsys.readouterr().err


def test_the_better_arm_stands_first_and_its_lead_is_established():
    lines = standings({"lstm": scored(20), "convrnnt": scored(10)}, "lstm")
    assert [line.arm for line in lines] == ["convrnnt", "lstm"]
    assert lines[0].change.high < 0
    assert lines[0].change.estimate == pytest.approx(-0.5, abs=0.05)
    assert all(change < 0 for change in lines[0].seed_changes)
    assert lines[1].change.estimate == 0


def test_equal_arms_are_not_called_different():
    first, second = (Scored(words_S=WORDS, errors_NS=np.random.default_rng(seed).poisson(10, (3, 40)), macs=1,
                            parameters=1, cpu_s=1, recipe="adamw 1") for seed in (1, 2))
    change = standings({"lstm": first, "convrnnt": second}, "lstm")[0].change
    assert change.low < 0 < change.high or math.isclose(change.estimate, 0)


def test_table_and_figure_name_every_arm():
    lines = standings({arm: scored(10 + i) for i, arm in enumerate(ARMS)}, "lstm")
    drawing = bakeoff_figure({"synthetic": lines}, "600 updates")
    for arm in ARMS:
        assert f"| {arm} |" in markdown(lines)
        assert arm in drawing


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """What the stages would leave, of a size that trains in seconds."""
    place = tmp_path / "work" / "synthetic"
    splits = ["train"] * (len(TEXTS) - 2) + ["validate", "test"]
    write_features(place / "artifacts/features", TEXTS, splits)
    TOKENIZER.save(place / "artifacts/tokenizer")
    values = load_params(ROOT / "params.yaml").model_dump(mode="json", by_alias=True)
    values["train"] |= {"size": "tiny", "batch_s": 3.0}
    values["featurize"] = FEATURIZE.model_dump()
    values["ingest"]["sample_rate"] = 8000
    (place / "params.yaml").write_text(json.dumps(values), encoding="utf-8")
    (place / "prepared").touch()
    return tmp_path / "work"


@pytest.mark.science
def test_the_whole_bakeoff_runs_and_goes_on_where_it_stopped(prepared, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(model_bakeoff, "write_result", lambda name, content: json.dumps(content, allow_nan=False))
    command = ["bakeoff", "--steps", "2", "--seeds", "1", "--processes", "2", "--work", str(prepared),
               "--figure", str(tmp_path / "figure.svg")]
    monkeypatch.setattr(sys, "argv", command)
    model_bakeoff.main()
    first = capsys.readouterr().out
    assert all(f"| {arm} |" in first for arm in ARMS)
    assert "<svg" in (tmp_path / "figure.svg").read_text(encoding="utf-8")
    scores = sorted(prepared.rglob("test.json"))
    assert len(scores) == len(ARMS)
    assert read_json(scores[0])["words"] == [2]
    trained = {path: path.stat().st_mtime_ns for path in scores}
    model_bakeoff.main()
    assert {path: path.stat().st_mtime_ns for path in sorted(prepared.rglob("test.json"))} == trained


def test_trainings_that_listened_for_another_time_are_not_mixed_up(prepared):
    prepare(Corpus.parse("synthetic"), prepared, listen_first_s=load_params(ROOT / "params.yaml").train.listen_first_s)
    with pytest.raises(ValueError, match="holds trainings with"):
        prepare(Corpus.parse("synthetic"), prepared, listen_first_s=0.7)


def test_steps_are_one_number_or_one_for_each_corpus(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bakeoff", "--corpus", "synthetic", "digits=x", "--steps", "1", "2", "3"])
    with pytest.raises(SystemExit):
        model_bakeoff.main()
    assert "--steps names 3 numbers for 2 corpora: give one, or one for each" in capsys.readouterr().err
