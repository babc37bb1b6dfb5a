"""The page about several talkers says what the gate said, works offline, and hides what must be hidden."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from evenvoice.errors import ArtifactError
from evenvoice.multitalker.publication import hidden_groups, published_verdict
from evenvoice.params import load_params
from evenvoice.report.figures.timeline import timeline_figure
from evenvoice.report.multitalker import (
    MultitalkerContents,
    read_multitalker,
    render_multitalker,
    render_multitalker_card,
)
from evenvoice.storage import read_json, write_json
from tests.builders.multitalker_tables import PACE, Group, write_multitalker

INGEST = load_params(Path(__file__).parents[3] / "params.yaml").ingest
GROUPS = {"slow": Group(30, wer=0.2, cut=0.2), "middle": Group(24), "fast": Group(26)}
WITH_FEW = {**GROUPS, "hasty": Group(3, turns=4), "hurried": Group(4, turns=4)}
EXAMPLE = {
    "mixture": "m00000", "duration_s": 9.0,
    "said": [{"channel": 0, "start_s": 0.5, "end_s": 4.0, "text": "it costs $5 & more", "speaker": "A"},
             {"channel": 1, "start_s": 3.0, "end_s": 6.0, "text": "while another speaks", "speaker": "B"},
             {"channel": 0, "start_s": 6.5, "end_s": 6.8, "text": "really", "speaker": "A"}],
    "heard": [{"channel": 0, "start_s": None, "end_s": 4.2, "text": "it costs five"},
              {"channel": 1, "start_s": 3.2, "end_s": None, "text": "while others speak"}]}


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> MultitalkerContents:
    return read_multitalker(write_multitalker(tmp_path_factory.mktemp("run"), GROUPS, examples=[EXAMPLE]), 5)


@pytest.fixture(scope="module")
def page(contents: MultitalkerContents) -> str:
    return render_multitalker(contents, seed=1)


def test_the_verdict_and_each_reason_stand_on_the_page(contents, page):
    assert '<h1 class="FAIL">FAIL</h1>' in page
    for reason in contents.verdict["reasons"]:
        assert reason.replace(" %", "\u00a0%") in page


def test_every_judged_group_stands_on_the_page_with_what_the_gate_found(contents, page):
    for group in GROUPS:
        row = re.search(rf"<tr><td>{group}(?:\u00a0\(top\))?</td>.*?</tr>", page, re.DOTALL)
        assert row is not None
        assert contents.judged(PACE, group, "cut")["decision"] in row[0]
        assert contents.judged(PACE, group, "wer")["decision"] in row[0]
    assert "fast\u00a0(top)" in page


def test_the_page_needs_no_script_and_no_network(page):
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!#)', page.replace("xlink:href", ""))
    assert page.count("<svg") == 4  # one timeline, one grouping, ends of turns, training


def test_what_was_said_and_heard_stands_in_the_picture_and_in_the_table(page):
    assert "A: it costs $5 &amp; more" in page
    assert "<td>it costs $5 &amp; more</td>" in page
    assert "<td>while others speak</td>" in page


def test_a_word_that_does_not_fit_into_its_bar_stands_beside_it():
    assert "A: really" in timeline_figure(EXAMPLE)


def test_long_turns_end_in_the_picture_with_an_ellipsis():
    said = {**EXAMPLE["said"][0], "text": "on and " * 60}
    drawn = timeline_figure({**EXAMPLE, "said": [said]})
    assert "…" in drawn
    assert drawn.count("on and") < 60


def test_a_mixture_in_which_nobody_speaks_can_be_drawn():
    assert "0 said, 0 heard" in timeline_figure({**EXAMPLE, "said": [], "heard": []})


def test_a_page_without_examples_points_and_steps_can_be_drawn(contents):
    bare = replace(contents, examples=(), curve=(), endpointing=())
    assert render_multitalker(bare, seed=1).count("<svg") == 1


def test_small_groups_leave_no_trace(tmp_path):
    sources = write_multitalker(tmp_path, WITH_FEW)
    assert "hasty" in sources.verdict.read_text(encoding="utf-8")
    few = read_multitalker(sources, 5)
    page, card = render_multitalker(few, seed=1), render_multitalker_card(few, ingest=INGEST)
    for name in ("hasty", "hurried"):
        for text in (page, card, str(few.verdict), str(few.groupings), str(few.rates)):
            assert name not in text
    assert "Groups below 5 speakers, and those that would reveal them, are not shown." in page
    assert "slow" in page


def test_a_gap_to_a_hidden_top_group_is_hidden_and_its_share_cut_off_is_not(tmp_path):
    sources = write_multitalker(tmp_path, {"slow": Group(30), "middle": Group(26), "fast": Group(11)})
    verdict = published_verdict(read_json(sources.verdict), {PACE: frozenset({"fast"})})
    found = {(row["group"], row["kind"]): row for row in verdict["groups"]}
    assert set(found) == {(group, kind) for group in ("slow", "middle") for kind in ("wer", "cut")}
    wer, cut = found["slow", "wer"], found["slow", "cut"]
    assert (wer["against"], wer["gap"], wer["at_least"], wer["at_most"]) == (None, None, None, None)
    assert cut["against"] is None
    assert cut["at_most"] is not None


def test_one_small_group_takes_another_with_it():
    rows = [{"partition": "whole", "group": "whole", "speakers": 63},
            *({"partition": PACE, "group": group, "speakers": count}
              for group, count in (("slow", 20), ("middle", 40), ("fast", 3)))]
    assert hidden_groups(rows, 5)[PACE] == {"fast", "slow"}


def test_the_card_says_what_the_model_is_not(contents):
    card = render_multitalker_card(contents, ingest=INGEST)
    assert card.startswith("# Model card: evenvoice recogniser of several talkers\n\n**Fairness gate: FAIL**")
    assert "A channel is not a person." in card
    assert "Two people at once at most." in card
    assert "| slow | pace | 30 | " in card


def test_no_speaker_is_named_where_people_look(contents, page):
    assert not re.search(r"slow-\d", page + render_multitalker_card(contents, ingest=INGEST))


@pytest.mark.parametrize(("file", "message"), [
    ("evaluation", "the mixtures behind the evaluation must be that of the model"),
    ("verdict", "what the verdict says of the mixtures must be about what was evaluated")])
def test_a_page_about_other_mixtures_is_refused(tmp_path, file, message):
    sources = write_multitalker(tmp_path, GROUPS)
    path = sources.evaluation / "origins.json" if file == "evaluation" else sources.verdict
    content = read_json(path)
    (content if file == "evaluation" else content["origins"])["mixtures"] = "0" * 64
    write_json(path, content)
    with pytest.raises(ArtifactError, match=message):
        read_multitalker(sources, 5)


def test_equal_inputs_give_equal_bytes(contents, page):
    assert render_multitalker(contents, seed=1) == page
