"""A planted difference is told wherever its speech is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evenvoice.params import load_params
from evenvoice.report import render_model_card, render_page
from evenvoice.report.planted import planted
from tests.builders.report import made_contents

PARAMS = load_params(Path(__file__).parents[3] / "params.yaml")
PLANTED = {"transform": "formants", "strength": 0.15, "who": "whose gender is female", "train_share": 0.5,
           "speakers": {"train": 20, "discover": 14, "validate": 3, "test": 0},
           "left_out": {"speakers": 21, "recordings": 168}}
SENTENCES = (
    "Semi-synthetic: real voices, a planted difference. In every recording of the speakers whose gender is female, "
    "formants and pitch are divided by 1.15 (ingest.plant: formants, strength 0.15). Training keeps 50 % of its "
    "speakers among them and does without 21. Chosen speakers per split: train 20, discover 14, validate fewer than 5, "
    "test 0. What is found of this group is about what was planted, and says nothing about people.")


def corpus(**changes: Any) -> dict[str, Any]:
    return {"labelled": "semi-synthetic", "planted": {**PLANTED, **changes}}


@pytest.mark.parametrize("summary", [{"labelled": "recorded"}, {"labelled": "recorded", "planted": None}])
def test_where_nothing_is_planted_nothing_is_said(summary: dict[str, Any]) -> None:
    assert planted(summary, minimum=5) is None


def test_it_says_what_was_done_to_whom_and_hides_small_numbers() -> None:
    assert planted(corpus(), minimum=5) == SENTENCES


@pytest.mark.parametrize(("changes", "words"), [
    ({"transform": "speed", "strength": 0.25}, "female, they speak 1.25 times as fast (ingest"),
    ({"transform": "band", "strength": 0.5}, "female, the upper 50 % of the band is cut off (ingest"),
    ({"transform": "noise", "strength": 0.1}, "female, noise with 0.1 times the amplitude of the speech is added"),
    ({"transform": "none", "strength": 0.0}, "Of the speakers whose gender is female no recording is changed."),
    ({"transform": "speed", "strength": 0.0}, "Of the speakers whose gender is female no recording is changed."),
])
def test_each_change_has_its_words(changes: dict[str, Any], words: str) -> None:
    assert words in str(planted(corpus(**changes), minimum=5))


def test_without_scarcity_none_is_told() -> None:
    assert "Training" not in str(planted(corpus(train_share=1.0), minimum=5))


def test_in_a_synthetic_world_no_voices_are_called_real() -> None:
    told = planted({**corpus(), "labelled": "synthetic"}, minimum=5)
    assert str(told).startswith("Synthetic: a planted difference. In every")


def test_page_and_model_card_call_it_semi_synthetic_and_say_what_was_planted(tmp_path: Path) -> None:
    contents = made_contents(tmp_path)
    contents.corpus.update(corpus())
    page = render_page(contents, ingest=PARAMS.ingest, report=PARAMS.report, seed=1)
    card = render_model_card(contents, ingest=PARAMS.ingest, seed=1)
    assert '<span class="tag">semi-synthetic speech</span>' in page
    assert SENTENCES in page
    assert "Semi-synthetic speech, 2.8 hours" in card
    assert SENTENCES in card
    assert "The speech is synthetic." not in card
