"""Which cohorts are hidden, and everything that would give them away with them."""

from evenvoice.metrics.publication import LEFT_OUT, hidden_cohorts, published_line, published_regression

EVERYONE = {"method": "whole", "cohort": "whole", "split": "test", "speakers": 52}


def cohort(name: str, speakers: int, split: str = "test") -> dict[str, object]:
    return {"method": "geographic", "cohort": name, "split": split, "speakers": speakers}


def test_two_speakers_in_no_cohort_are_not_given_away_by_the_rest() -> None:
    assert hidden_cohorts([EVERYONE, cohort("north", 20), cohort("south", 30)], 5) == {"geographic": {"north"}}


def test_large_cohorts_that_hold_everyone_are_all_shown() -> None:
    assert hidden_cohorts([EVERYONE, cohort("north", 22), cohort("south", 30)], 5) == {"geographic": frozenset()}


def test_a_cohort_too_small_on_one_split_is_hidden_on_every_split() -> None:
    rows = [cohort("north", 3, "validate"), cohort("south", 30, "validate"), cohort("west", 40, "validate"),
            cohort("north", 22), cohort("south", 30), cohort("west", 40)]
    assert "north" in hidden_cohorts(rows, 5)["geographic"]


def declared(method: str, **speakers: int) -> list[dict[str, object]]:
    return [{"method": f"attributes-{method}", "cohort": name.replace("_", " "), "split": "test", "speakers": count}
            for name, count in speakers.items()]


ALONE = [*declared("gender", female=40, male=60), *declared("age_band", young=30, old=70)]


def test_a_name_that_every_column_has_is_hidden_only_where_it_is_small() -> None:
    hidden = {"attributes-gender": frozenset({"smaller groups", "unknown"})}
    for shown in ("smaller groups of the attributes-accent method (accent is another) makes 90 % more errors",
                  "smaller groups of the attributes-gender-device method makes 90 % more errors",
                  "Not judged are test speakers whose group is unknown: 12 of attributes-accent."):
        assert published_line(shown, hidden) == shown
    for told in ("Closest is smaller groups of the attributes-gender method at 3 % more",
                 "WER of attributes-gender/smaller groups changes by +3 % against the dense control"):
        assert published_line(told, hidden) == LEFT_OUT


def test_cells_of_crossed_columns_are_not_given_away_by_the_columns() -> None:
    crossed = declared("gender-age_band", female_and_young=3, female_and_old=37, male_and_young=27, male_and_old=33)
    hidden = hidden_cohorts([{**EVERYONE, "speakers": 100}, *ALONE, *crossed], 5)
    assert hidden["attributes-gender"] == frozenset()
    assert hidden["attributes-gender-age_band"] == {row["cohort"] for row in crossed}


def test_large_cells_of_crossed_columns_are_all_shown() -> None:
    crossed = declared("gender-age_band", female_and_young=13, female_and_old=27, male_and_young=17, male_and_old=43)
    hidden = hidden_cohorts([{**EVERYONE, "speakers": 100}, *ALONE, *crossed], 5)
    assert not any(hidden.values())


def regression() -> dict[str, object]:
    groups = [{"cohort": name, "rate_ratio": ratio, "predicted_wer": 0.1 * ratio}
              for name, ratio in (("female", 1.0), ("male", 1.2), ("unknown", 3.0))]
    return {"faas": 20.0, "wer": 0.1, "columns": [
        {"partition": "attributes-gender", "reference": "female", "df": 2, "p": 0.01, "score": 50, "groups": groups}]}


def test_a_regression_of_shown_groups_is_published_whole() -> None:
    assert published_regression(regression(), {"attributes-gender": frozenset(), "geographic": frozenset({"a"})}) == (
        regression())


def test_a_hidden_group_takes_every_figure_with_it_that_tells_about_all_groups() -> None:
    found = published_regression(regression(), {"attributes-gender": frozenset({"unknown"})})
    (column,) = found["columns"]
    assert (found["faas"], found["wer"]) == (None, 0.1)
    assert (column["p"], column["df"], column["score"]) == (None, None, None)
    assert column["groups"] == [{"cohort": "female", "rate_ratio": 1.0, "predicted_wer": None},
                                {"cohort": "male", "rate_ratio": 1.2, "predicted_wer": None}]


def test_ratios_to_a_hidden_group_are_not_published() -> None:
    (column,) = published_regression(regression(), {"attributes-gender": frozenset({"female"})})["columns"]
    assert (column["reference"], column["groups"]) == (None, [])
