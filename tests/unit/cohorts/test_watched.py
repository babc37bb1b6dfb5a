"""Cohorts of an earlier run stay what they were, whatever the later run's base model makes of their speakers."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenvoice.cohorts import discover, find_cohorts
from evenvoice.cohorts.description import NotApplicable
from evenvoice.cohorts.frozen import read_rules
from evenvoice.cohorts.watched import read_earlier, read_folder
from evenvoice.data.schemas import COARSER, COHORTS
from evenvoice.data.tables import read_table
from evenvoice.errors import ArtifactError, CohortError
from evenvoice.metrics.partitions import read_partition
from evenvoice.progress import Progress
from evenvoice.storage import read_json, write_json
from tests.builders.cohorts import cohort_table, discover_settings, watch, write_inputs

SPLITS = ["train"] * 40 + ["discover"] * 80 + ["validate"] * 40 + ["test"] * 40
CENSUS = {"postal_code": ["01", "02"], "renters": [0.7, 0.2]}


def world(north: int = 16, south: int = 4):
    """Every second speaker is a northerner, by place, accent, postal code and voice; errors of each in 60 words."""
    is_north = np.arange(len(SPLITS)) % 2 == 0
    words = [0 if split == "train" else 60 for split in SPLITS]
    errors = [(north if one else south) * (count > 0) for one, count in zip(is_north, words, strict=True)]
    return cohort_table(splits=SPLITS, errors=errors, words=words, lat=np.where(is_north, 40.0, 30.0),
                        lon=np.linspace(-100, -90, len(SPLITS)).round(1),
                        accent=["north" if one else "south" for one in is_north],
                        postal_code=["01" if one else "02" for one in is_north],
                        embeddings=np.where(is_north[:, None], [[1.0, 0.0]], [[0.0, 1.0]]))


def ran(root, method="geographic", table=None, *, census=None, earlier=None, columns=("accent",)):
    """What discover writes of one method."""
    paths = write_inputs(root, world() if table is None else table, census=census)
    discover(method, **paths, watched=watch(root, earlier), out=root / method, coordinate_decimals=1, seed=1,
             settings=discover_settings(clusters={"clusters": 2, "significance": 1.0},
                                        attributes={"columns": list(columns)}), progress=Progress("discover"))
    return root / method


def cohorts_of(folder) -> list[str | None]:
    return read_table(folder / "cohorts.parquet", COHORTS)["cohort"].to_pylist()


def test_a_region_is_watched_where_the_tree_of_the_later_run_finds_no_split_any_more(tmp_path):
    earlier = ran(tmp_path / "first")
    healed = world(north=4, south=4)

    tree, watched = (ran(tmp_path / "second", method, healed, earlier=earlier) for method in ("geographic", "watched"))

    assert read_json(tree / "description.json")["reason"] == "no split survives"
    assert cohorts_of(watched) == cohorts_of(earlier)
    description = read_json(watched / "description.json")
    assert (description["applicable"], description["title"]) == (True, "Cohorts of an earlier run")
    assert description["cohorts"] == read_json(earlier / "description.json")["cohorts"]
    assert description["reason"] == ("2 cohorts of an earlier run: region-1 had 26.7 % WER on discover speakers then, "
                                     "region-2 6.7 %")


def test_bottom_and_top_stay_those_of_the_earlier_run_although_the_other_errs_more_by_now(tmp_path):
    earlier = ran(tmp_path / "first")

    watched = ran(tmp_path / "second", "watched", world(north=4, south=16), earlier=earlier)

    partition = read_partition("watched", read_json(watched / "description.json"), "description.json")
    assert (partition.bottom, partition.top) == ("region-1", "region-2")


def test_the_cohorts_come_from_the_hypotheses_of_the_later_run(tmp_path):
    earlier = ran(tmp_path / "first")
    write_json(tmp_path / "second/models/base/config.json", {"units_sha256": "u", "weights_sha256": "others"})

    watched = ran(tmp_path / "second", "watched", earlier=earlier)

    expected = read_json(tmp_path / "second/hypotheses/origin.json")
    assert read_json(watched / "description.json")["origin"] == expected


def test_a_third_run_watches_what_the_second_one_watched(tmp_path):
    first = ran(tmp_path / "first")
    second = ran(tmp_path / "second", "watched", world(4, 4), earlier=first)
    third = ran(tmp_path / "third", "watched", world(5, 4), earlier=second)

    assert {**read_json(third / "rules.json"), "method": "geographic"} == read_json(first / "rules.json")
    assert (third / "rules.json").read_bytes() == (second / "rules.json").read_bytes()
    assert read_json(third / "description.json")["cohorts"] == read_json(first / "description.json")["cohorts"]
    assert read_rules(third).assign(world()) == cohorts_of(first)


def test_groups_by_census_statistics_and_by_attributes_are_watched_too(tmp_path):
    for number, census in enumerate((CENSUS, None)):
        earlier = ran(tmp_path / f"first-{number}", "geodemographic", census=census)
        watched = ran(tmp_path / f"second-{number}", "watched", world(4, 4), census=census, earlier=earlier)
        assert cohorts_of(watched) == cohorts_of(earlier)
        assert set(cohorts_of(watched)) == {"group-1", "group-2"}


def test_methods_are_not_compared_with_it_at_equal_counts(tmp_path):
    watched = ran(tmp_path / "second", "watched", earlier=ran(tmp_path / "first"))

    assert len(read_table(watched / "coarser.parquet", COARSER)) == 0


def test_where_it_lay_is_no_part_of_the_result(tmp_path):
    described = []
    for place in ("here", "there"):
        paths = write_inputs(tmp_path, world())
        discover("watched", **paths, watched=watch(tmp_path), out=tmp_path / place, coordinate_decimals=1, seed=1,
                 settings=discover_settings(watched={"rules": f"/{place}"}), progress=Progress("discover"))
        described.append((tmp_path / place / "description.json").read_bytes())

    assert described[0] == described[1]


def test_without_anything_to_watch_nobody_asked_for_it(tmp_path):
    assert find_cohorts("watched", world(), discover_settings(), seed=1) == NotApplicable(
        "discover.watched.rules names no cohorts of an earlier run", asked=False)
    watched = ran(tmp_path, "watched")
    assert read_json(watched / "description.json")["asked"] is False
    assert cohorts_of(watched) == [None] * len(SPLITS)


def test_a_method_that_found_nobody_then_finds_nobody_now_and_says_so(tmp_path):
    nowhere = cohort_table(splits=SPLITS, errors=[5] * len(SPLITS), words=[60] * len(SPLITS))
    watched = ran(tmp_path / "second", "watched", earlier=ran(tmp_path / "first", table=nowhere))

    description = read_json(watched / "description.json")
    assert (description["applicable"], description["asked"]) == (False, True)
    assert description["reason"] == ("the geographic method of the earlier run found none: 0 discover speakers have a "
                                     "location, 24 needed for two regions")


def test_one_cohort_alone_is_no_comparison_but_no_error_either(tmp_path):
    watched = ran(tmp_path / "second", "watched", earlier=ran(tmp_path / "first", table=world(4, 4)))

    assert read_json(watched / "description.json")["reason"] == (
        "1 cohort of an earlier run: region-1 had 6.7 % WER on discover speakers then")


def test_rules_of_voices_belong_to_the_encoder_of_their_run(tmp_path):
    clusters = ran(tmp_path, "clusters")
    with pytest.raises(CohortError, match="Rules of the clusters method cannot be watched"):
        read_folder(clusters, coordinate_decimals=1)


def test_places_that_were_rounded_otherwise_are_refused_and_statistics_do_not_mind(tmp_path):
    with pytest.raises(CohortError, match=r"rounded locations to 0 decimals as this one does, got rules for 1 instead"):
        read_folder(ran(tmp_path / "tree"), coordinate_decimals=0)
    assert read_folder(ran(tmp_path / "census", "geodemographic", census=CENSUS), coordinate_decimals=0)


def test_a_census_without_the_statistic_is_refused_rather_than_placing_nobody(tmp_path):
    earlier = ran(tmp_path / "first", "geodemographic", census=CENSUS)
    other = {"postal_code": ["01", "02"], "owners": [0.3, 0.8]}
    with pytest.raises(CohortError, match=r"have the column 'renters', which watched .*, got owners"):
        ran(tmp_path / "second", "watched", census=other, earlier=earlier)
    with pytest.raises(CohortError, match="got no census"):
        ran(tmp_path / "third", "watched", earlier=earlier)


@pytest.mark.parametrize(("part", "change", "named"), [
    ("rules.json", {"cohorts": ["region-2", "region-1"]}, "describe the cohorts region-2, region-1, as its rules do"),
    ("rules.json", {"method": "geodemographic"}, "describe the geodemographic method, as its rules do"),
    ("rules.json", {"rule": None}, "rules, the whole must be a frozen rule"),
    ("description.json", {"cohorts": []}, "got none"),
    ("description.json", {"method": "watched"}, "got 'watched'"),
    ("description.json", {"cohorts": "two"}, "describe each cohort by name, rule and figures"),
])
def test_two_files_that_are_not_of_one_run_are_refused(tmp_path, part, change, named):
    folder = ran(tmp_path)
    write_json(folder / part, {**read_json(folder / part), **change})

    with pytest.raises(ArtifactError, match=named):
        read_folder(folder, coordinate_decimals=1)


def test_words_that_are_not_those_of_the_rule_are_refused(tmp_path):
    folder = ran(tmp_path)
    text = (folder / "description.json").read_text()
    (folder / "description.json").write_text(text.replace("south of 35", "south of 36"))

    with pytest.raises(ArtifactError, match="say of region-2 what its rules do, 'south of 35'"):
        read_folder(folder, coordinate_decimals=1)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                    lambda part: st.lists(part, max_size=3) | st.dictionaries(
                        st.sampled_from(["rules", "description", "cohorts", "x"]), part, max_size=3))


@settings(max_examples=60)
@given(content=JSON)
def test_whatever_else_stands_there_is_refused_and_never_crashes(content):
    if content == {}:
        return
    with pytest.raises(ArtifactError):
        read_earlier(json.loads(json.dumps(content)), "watched.json", 1)


def test_declared_groups_are_watched_with_those_that_are_not_judged(tmp_path):
    ran(tmp_path / "first", "attributes")
    earlier = tmp_path / "first/attributes/accent"
    watched = ran(tmp_path / "second", "watched", world(4, 4), earlier=earlier)

    assert cohorts_of(watched) == cohorts_of(earlier)
    description = read_json(watched / "description.json")
    assert description["aside"] == [{"cohort": "smaller groups", "rule": "accent is another, of too few speakers"},
                                    {"cohort": "unknown", "rule": "accent is unknown"}]
    assert read_partition("watched", description, "description.json").bottom == "north"


def test_a_watched_column_that_this_run_does_not_take_in_is_refused_by_name(tmp_path):
    devices = np.array([["phone"], ["headset"]] * 100, dtype=object)
    table = replace(world(), further=devices, further_columns=("device",))
    ran(tmp_path / "first", "attributes", table, columns=["device"])
    with pytest.raises(CohortError, match="have the column 'device', which watched cohorts are told apart by"):
        ran(tmp_path / "second", "watched", earlier=tmp_path / "first/attributes/device")
