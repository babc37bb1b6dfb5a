"""What is published, and what is held back."""

from pathlib import Path

from evenvoice.report import read_contents
from evenvoice.storage import write_json
from tests.builders.report import made_contents, write_evaluation


def test_every_cohort_of_enough_speakers_is_shown(tmp_path: Path) -> None:
    contents = made_contents(tmp_path)
    assert {row["cohort"] for row in contents.cohort_wer if row["method"] == "geographic"} == {
        "region-1", "region-2", "region-3"}


def test_a_small_cohort_takes_the_next_smallest_with_it(tmp_path: Path) -> None:
    contents = made_contents(tmp_path, sizes={"region-1": 4, "region-2": 12, "region-3": 60})
    assert contents.hidden["geographic"] == {"region-1", "region-2"}
    for rows in (contents.cohort_wer, contents.comparisons, contents.verdict["cohorts"], contents.gaps):
        assert not {"region-1", "region-2"} & {row.get("cohort", row.get("bottom")) for row in rows}


def test_trials_tell_nothing_of_a_bottom_cohort_that_is_not_shown(tmp_path: Path) -> None:
    shown = made_contents(tmp_path / "shown").tuned
    hidden = made_contents(tmp_path / "hidden", sizes={"region-1": 4, "region-2": 12, "region-3": 60}).tuned

    assert [trial["validate_bottom_wer"] is not None for _, trial in shown] == [True, True]
    assert [trial["validate_bottom_wer"] for _, trial in hidden] == [None, None]


def test_lineage_names_a_digest_for_every_input(tmp_path: Path) -> None:
    sources = write_evaluation(tmp_path)
    contents = read_contents(sources, minimum=5)
    assert str(sources.verdict) in contents.inputs
    assert str(sources.evaluation / "cohort_wer.parquet") in contents.inputs
    assert all(len(digest) == 64 for digest in contents.inputs.values())


def test_rejected_recordings_are_counted_by_rule_without_their_names(tmp_path: Path) -> None:
    assert made_contents(tmp_path).rejected_by_rule == (("hold sound", 2),)


def test_a_model_that_the_page_is_not_about_changes_nothing_on_it(tmp_path: Path) -> None:
    sources = write_evaluation(tmp_path)
    alone = read_contents(sources, minimum=5).inputs
    write_json(sources.models / "speaker" / "config.json", {})
    write_json(sources.hypotheses / "an arm of last year" / "compute.json", {})
    write_json(sources.cohorts / "a method of last year" / "description.json", {})

    assert read_contents(sources, minimum=5).inputs == alone
