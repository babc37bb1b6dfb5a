"""A whole judgement of planted worlds: who is served worse is found, and who is not is not."""

from __future__ import annotations

import numpy as np
import pytest

from evenvoice.errors import CorpusError
from evenvoice.judge import Reading, judge_utterances
from evenvoice.judge.page import render_judged, summary_markdown, verdict_json
from evenvoice.judge.people import People
from evenvoice.judge.settings import read_judging
from evenvoice.judge.utterances import Utterance

WORDS = 60


def world(rates, speakers=60, columns=("gender",), seed=0, systems=("a",), places=False):
    """Speakers of each group, whose words recognisers leave out at these rates: by group, or by recogniser too."""
    rng = np.random.default_rng(seed)
    utterances, people = [], People(None if columns == ("gender",) else columns)
    for value, rate in rates.items():
        for number in range(speakers):
            speaker = f"{value}-{number}"
            people._values[speaker] = {columns[0]: value}
            people._columns.add(columns[0])
            if places:
                people._places[speaker] = (40.0 + 5 * (value == "female"), float(rng.uniform(0, 9)))
            own = rng.gamma(8, 1 / 8)
            words = [f"w{word}" for word in range(WORDS)]
            written = {system: " ".join(word for word in words if rng.random() > own * (
                rate[system] if isinstance(rate, dict) else rate)) for system in systems}
            utterances.append(Utterance(key=speaker, speaker=speaker, reference=" ".join(words), written=written,
                                        where=speaker))
    return utterances, people


def judged(rates, changes=(), **more):
    utterances, people = world(rates, **more)
    return judge_utterances(utterances, people, read_judging(changes=("evaluate.replicates=300", *changes)),
                            reading=Reading(), files={"hyp.tsv": "0" * 64})


def test_equal_groups_pass_and_all_speakers_are_judged():
    told = judged({"female": 0.1, "male": 0.1})
    assert told.judged.outcome == "PASS"
    assert not told.judged.cohorts.apart
    assert told.judged.verdicts["a"].whole.speakers == 120


def test_a_group_with_twice_the_errors_fails_and_is_named():
    told = judged({"female": 0.2, "male": 0.08})
    assert told.judged.outcome == "FAIL"
    reason = told.verdict("a")["reasons"][0]
    assert reason.startswith("female of the attributes-gender method (gender is female) makes ")
    assert "more errors per word than everyone else" in reason


def test_beside_the_top_group_speakers_are_drawn_apart_since_it_has_to_be_found():
    told = judged({"female": 0.2, "male": 0.08}, ["gate.reference=top"], speakers=100)
    assert told.judged.cohorts.apart
    assert told.judged.verdicts["a"].whole.speakers == 100
    assert "than male" in told.verdict("a")["reasons"][0]


def test_places_are_searched_on_speakers_of_their_own():
    told = judged({"female": 0.25, "male": 0.05}, speakers=100, places=True)
    assert told.judged.cohorts.apart
    assert {partition.method for partition in told.judged.cohorts.partitions} == {"geographic", "attributes-gender"}


def test_each_further_recogniser_is_judged_against_the_first_and_the_worst_decides():
    rates = {"female": {"a": 0.1, "b": 0.1, "c": 0.3}, "male": {"a": 0.1, "b": 0.09, "c": 0.1}}
    told = judged(rates, systems=("a", "b", "c"), speakers=100)
    assert {name: verdict.verdict for name, verdict in told.judged.verdicts.items()}["c"] == "FAIL"
    assert list(told.judged.verdicts) == ["b", "c"]
    assert told.judged.outcome == "FAIL"


def test_a_verdict_that_formatting_decides_says_so():
    utterances, people = world({"female": 0.1, "male": 0.1})
    shouting = [one if one.speaker.startswith("male") else Utterance(
        key=one.key, speaker=one.speaker, reference=one.reference, where=one.where,
        written={"a": one.written["a"].upper()}) for one in utterances]
    told = judge_utterances(shouting, people, read_judging(changes=("evaluate.replicates=300",)), reading=Reading(),
                            files={})
    assert told.judged.outcome == "PASS"
    assert told.judged.under["none"]["a"].verdict == "FAIL"
    assert told.judged.depends_on_spelling
    assert any("depends on the normaliser" in note for note in told.notes)


def test_page_markdown_and_json_say_the_same_and_hide_small_groups():
    utterances, people = world({"female": 0.1, "male": 0.1})
    rare, known = world({"other": 0.5}, speakers=3, seed=1)
    people._values |= known._values
    told = judge_utterances([*utterances, *rare], people, read_judging(changes=("evaluate.replicates=300",)),
                            reading=Reading(), files={"hyp.tsv": "0" * 64})
    page, text, content = render_judged(told, "a", {}), summary_markdown(told), verdict_json(told)
    assert f"<h1 class=\"{told.judged.outcome}\">" in page
    assert f"**a: {told.judged.outcome}**" in text
    assert content["verdicts"]["a"]["verdict"] == content["verdict"] == told.judged.outcome
    assert "smaller groups" not in page + text + str(content["verdicts"])


def test_nothing_known_of_anybody_is_refused():
    utterances, _ = world({"female": 0.1, "male": 0.1})
    with pytest.raises(CorpusError, match="the speakers must be told apart by something"):
        judge_utterances(utterances, People(None), read_judging(), reading=Reading(), files={})


def test_where_all_that_is_known_makes_no_groups_the_refusal_says_what_it_is():
    utterances, people = world({"female": 0.1})
    with pytest.raises(CorpusError, match="told apart by something, got gender: 'female' for every speaker instead"):
        judge_utterances(utterances, people, read_judging(), reading=Reading(), files={})


def test_the_same_input_gives_the_same_verdict_whatever_its_order():
    utterances, people = world({"female": 0.12, "male": 0.1})
    settings = read_judging(changes=("evaluate.replicates=300",))
    first, second = (verdict_json(judge_utterances(rows, people, settings, reading=Reading(), files={}))
                     for rows in (utterances, utterances[::-1]))
    assert first == second
