"""What is declared of speakers: one value each, in one spelling, by columns that make groups."""

from __future__ import annotations

import pytest

from evenvoice.errors import CorpusError
from evenvoice.judge.people import People

TABLE = ("speaker\tgender\tage\taccent\tdevice\tlat\tlon\n"
         "ann\tF\t31\tWelsh\tphone\t1\t2\n"
         "bob\tmale\ttwenties\tunknown\tphone\t\t\n"
         "cat\tfemale\t44\tWelsh\tlaptop\t\t\n")


def people(tmp_path, by=None, table=TABLE):
    path = tmp_path / "speakers.tsv"
    path.write_text(table, encoding="utf-8")
    found = People(by)
    found.read(path)
    return found


def test_values_are_brought_to_one_spelling(tmp_path):
    found = people(tmp_path)
    assert found.values("gender", ["ann", "bob", "cat", "dan"]) == ["female", "male", "female", None]
    assert found.values("age_band", ["ann", "bob"]) == ["25-34", "20-29"]
    assert found.values("accent", ["ann", "bob"]) == ["Welsh", None]
    assert (found.place("ann"), found.place("bob")) == ((1.0, 2.0), (None, None))


def test_columns_of_ones_own_that_make_groups_are_judged_unless_others_are_asked_for(tmp_path):
    assert people(tmp_path).columns(["ann", "bob", "cat"]) == ("gender",)
    assert people(tmp_path, by=("device",)).columns(["ann", "bob", "cat"]) == ("device",)


@pytest.mark.parametrize(("column", "speakers", "says"), [
    ("microphone", ["ann", "bob"], "--by microphone must name a column that there is, got only accent, age, device"),
    ("accent", ["ann", "cat"], "must have two values or more, got 'Welsh' for every speaker"),
    ("accent", ["bob"], "must have two values or more, got none for any speaker"),
    ("device", ["bob", "cat"], "must have fewer values than speakers, got 2 values of 2 speakers")])
def test_a_column_that_makes_no_groups_is_refused_where_it_was_asked_for(tmp_path, column, speakers, says):
    with pytest.raises(CorpusError, match=says):
        people(tmp_path, by=(column,)).columns(speakers)


def test_a_column_that_makes_no_groups_is_left_out_with_a_note_where_nobody_asked_for_it(tmp_path):
    everyone = ["ann", "bob", "cat"]
    assert people(tmp_path).notes(everyone) == ["No groups by age_band: 3 values of 3 speakers.",
                                                "No groups by accent: 'Welsh' for every speaker."]
    assert people(tmp_path, by=("device",)).notes(everyone) == []


def test_a_place_is_in_degrees_and_nan_is_none(tmp_path):
    header = "speaker\tgender\tlat\tlon\n"
    assert not people(tmp_path, table=f"{header}ann\tF\tnan\tnan\n").has_places()
    with pytest.raises(CorpusError, match=r"lon in line 2 of .* must be between -180 and 180 degrees, got 200\.0"):
        people(tmp_path, table=f"{header}ann\tF\t1\t200\n")


def test_speakers_whom_no_recording_is_of_may_be_in_the_table_and_a_few_may_lack(tmp_path):
    assert people(tmp_path, by=("device",)).notes(["ann", "bob", "dan"]) == []


def test_a_table_that_lacks_most_speakers_is_noted_and_one_that_lacks_all_is_refused(tmp_path):
    found = people(tmp_path, by=("device",))
    assert found.notes(["ann", "dan", "eve"]) == [
        "2 of 3 speakers are not in the table of speakers: are they named alike in both?"]
    with pytest.raises(CorpusError, match="the table of speakers must be about speakers of the recordings, got 'ann' "
                                          "and 2 more, where 'spk_ann' and 1 more speak"):
        found.notes(["spk_ann", "spk_bob"])


def test_a_speaker_of_two_genders_is_refused_and_one_who_grew_older_is_not(tmp_path):
    older = "speaker\tgender\tage\nann\tF\t31\nann\tF\t35\n"
    assert people(tmp_path, table=older).values("age_band", ["ann"]) == ["25-34"]
    with pytest.raises(CorpusError, match=r"speaker 'ann' in line 3 .* must have one gender, got 'male', and 'female'"):
        people(tmp_path, table="speaker\tgender\nann\tF\nann\tM\n")
