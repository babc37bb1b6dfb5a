"""What was heard in mixtures beside what was said, from files to files."""

import shutil
from pathlib import Path

import pytest

from evenvoice.data.schemas import (
    ENDPOINTING,
    GROUPED,
    HEARD_TURNS,
    MIXTURE_ERRORS,
    SPEAKERS,
    SPOKEN_TURNS,
    TURN_RATES,
)
from evenvoice.data.tables import read_table, rows_table, write_table
from evenvoice.errors import ArtifactError, EvenvoiceError
from evenvoice.multitalker.heard import MODELS
from evenvoice.multitalker.served import summed
from evenvoice.origins import write_contents
from evenvoice.params import BASE
from evenvoice.storage import read_json, write_json
from tests.builders.multitalker import (
    METHOD,
    MODEL,
    Workspace,
    World,
    heard,
    mixture_row,
    said,
    write_mixtures,
    write_turns,
    write_workspace,
)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return write_workspace(tmp_path_factory.mktemp("run"))


@pytest.fixture
def space(done: Workspace, tmp_path: Path) -> Workspace:
    """One that a test may change."""
    shutil.copytree(done.root, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "artifacts" / "multitalker")
    return Workspace(tmp_path / "run")


def rows(space: Workspace, name: str, schema) -> list[dict]:
    return read_table(space.evaluation / f"{name}.parquet", schema).to_pylist()


def rate(space: Workspace, partition: str, group: str, model: str = MODEL) -> dict:
    return next(row for row in rows(space, "rates", TURN_RATES)
                if (row["model"], row["partition"], row["group"]) == (model, partition, group))


def test_every_turn_of_both_splits_is_told_once_for_each_model(done):
    spoken = rows(done, "spoken", SPOKEN_TURNS)
    mixtures = rows(done, "mixtures", MIXTURE_ERRORS)
    assert {(row["model"], row["split"]) for row in spoken} == {(model, split) for model in MODELS
                                                                for split in ("validate", "test")}
    assert len(spoken) == sum(row["turns"] for row in mixtures) == 2 * 2 * 24 * 4


def test_errors_of_turns_and_of_mixtures_are_about_the_same_words(done):
    for model in MODELS:
        served = summed(*([row for row in table if (row["model"], row["split"]) == (model, "test")]
                          for table in (rows(done, "spoken", SPOKEN_TURNS), rows(done, "mixtures", MIXTURE_ERRORS))))
        assert read_json(done.evaluation / "figures.json")[model]["orc_wer"] == pytest.approx(served.orc_errors.wer)
        assert rate(done, "whole", "whole", model)["wer"] == pytest.approx(served.orc_errors.wer)


def test_a_group_has_its_own_rates_between_bounds(done):
    north, south = rate(done, METHOD, "north"), rate(done, METHOD, "south")
    assert (north["speakers"], north["turns"], north["words"]) == (12, 48, 288)
    assert north["wer_low"] < north["wer"] < north["wer_high"] < south["wer_low"] < south["wer"]
    for name in ("wer", "cut", "missed", "sot_p50_s", "sot_p90_s", "eot_p50_s", "eot_p90_s"):
        assert north[f"{name}_low"] <= north[name] <= north[f"{name}_high"]
    assert 0.2 < north["eot_p50_s"] < north["eot_p90_s"] < 0.4


def test_groups_are_cohorts_declared_columns_and_pace(done):
    groupings = read_json(done.evaluation / "groupings.json")
    assert set(groupings) == {METHOD, "gender", "pace"}
    assert groupings[METHOD]["judged"] == ["south", "north"]
    assert groupings["pace"] == {"name": "pace", "judged": [], "aside": ["fast", "middle", "slow"],
                                 "reason": "0 of 3 groups have at least 10 test speakers in mixtures"}
    labelled = {(row["partition"], row["split"]) for row in rows(done, "labelled", GROUPED)}
    assert labelled == {(name, split) for name in groupings for split in ("validate", "test")}


def test_the_control_hears_one_turn_of_two(done):
    figures = read_json(done.evaluation / "figures.json")
    assert figures[MODEL]["counting_accuracy"] == pytest.approx(48 / 49)
    assert figures[MODEL]["counting_error"] == pytest.approx(1 / 49)
    assert figures[BASE]["counting_accuracy"] == 0
    assert figures[BASE]["cp_wer"] >= figures[BASE]["orc_wer"] > figures[MODEL]["orc_wer"]
    for found in figures.values():
        assert found["counting_accuracy_low"] <= found["counting_accuracy"] <= found["counting_accuracy_high"] <= 1
        assert {name: found[name] for name in ("mixtures", "speakers", "turns", "words")} == {
            "mixtures": 49, "speakers": 24, "turns": 96, "words": 576}


def test_turns_heard_in_silence_are_counted(done):
    found = read_json(done.evaluation / "figures.json")[MODEL]
    assert (found["silent_mixtures"], found["turns_in_silence"]) == (1, 1)


def test_the_model_stands_beside_a_detector_on_the_same_turns(done):
    found = rows(done, "endpointing", ENDPOINTING)
    assert [row["kind"] for row in found] == ["model"] + 8 * ["vad"]
    assert {row["turns"] for row in found} == {72}


def test_examples_are_three_mixtures_of_several_speakers_who_overlap(done):
    found = read_json(done.evaluation / "examples.json")
    assert len(found) == 3
    for example in found:
        first, second = example["said"]
        assert (first["speaker"], second["speaker"]) == ("A", "B")
        assert second["start_s"] < first["end_s"]
        assert (first["channel"], second["channel"]) == (0, 1)
        assert len(example["heard"]) == 2
    assert "test-0" not in str(found)  # names of speakers


def test_what_was_evaluated_is_told(done):
    assert read_json(done.evaluation / "origins.json") == read_json(done.turns / "origin.json")


def test_the_same_inputs_give_the_same_bytes(done, space):
    space.evaluate()
    for path in sorted(done.evaluation.iterdir()):
        assert (space.evaluation / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_mixture_that_a_model_is_silent_in_is_missing_from_its_turns_and_counts(space):
    found = read_table(space.turns / "turns.parquet", HEARD_TURNS).to_pylist()
    write_table(space.turns / "turns.parquet",
                rows_table([row for row in found if row["model"] != BASE], HEARD_TURNS))
    space.evaluate()
    assert rate(space, "whole", "whole", BASE)["wer"] == 1
    assert rate(space, "whole", "whole", BASE)["missed"] == 1
    assert rate(space, "whole", "whole", BASE)["eot_p50_s"] is None


def test_a_table_of_speakers_beside_mixtures_declares_groups(space):
    shutil.copyfile(space.corpus / "speakers.parquet", space.mixtures / "speakers.parquet")
    people = [{**row, "gender": "other"} for row in read_table(space.corpus / "speakers.parquet", SPEAKERS).to_pylist()]
    write_table(space.mixtures / "speakers.parquet", rows_table(people, SPEAKERS))
    write_contents(space.mixtures)
    found = read_table(space.turns / "turns.parquet", HEARD_TURNS).to_pylist()
    for directory, name in ((space.models / MODEL, "summary.json"), (space.turns, "origin.json")):
        known = read_json(directory / name)
        write_turns(space, {})
        write_json(directory / name, {**known, "mixtures": read_json(space.turns / "origin.json")["mixtures"]})
    write_table(space.turns / "turns.parquet", rows_table(found, HEARD_TURNS))
    space.evaluate()
    assert read_json(space.evaluation / "groupings.json")["gender"]["judged"] == ["other"]


@pytest.mark.parametrize(("changed", "message"), [
    ("artifacts/multitalker_models/multitalker/config.json", r"must come from the model in \S+/multitalker"),
    ("artifacts/models/base/config.json", r"must come from the base model in \S+/base"),
    ("artifacts/mixtures/contents.json", r"must come from the mixtures in \S+/mixtures"),
])
def test_turns_of_something_else_are_refused_by_name(space, changed, message):
    write_json(space.root / changed, {**read_json(space.root / changed), "another": "one"})
    with pytest.raises(ArtifactError, match=rf"turns in \S+/turns {message}"):
        space.evaluate()
    assert not space.evaluation.exists()


@pytest.mark.parametrize(("part", "message"), [("base", "the model in .* must come from the base model in"),
                                               ("mixtures", "the model in .* must come from the mixtures in")])
def test_a_model_of_something_else_is_refused_by_name(space, part, message):
    summary = space.models / MODEL / "summary.json"
    write_json(summary, {**read_json(summary), part: "another"})
    with pytest.raises(ArtifactError, match=message):
        space.evaluate()


def test_cohorts_of_another_base_model_are_refused_by_name(space):
    described = space.cohorts / METHOD / "description.json"
    write_json(described, {"origin": {**read_json(described)["origin"], "model": "another"}})
    with pytest.raises(ArtifactError, match=r"cohorts in \S+/geographic must come from the base model"):
        space.evaluate()


@pytest.mark.parametrize(("change", "message"), [
    ({"model": "third"}, "must be of multitalker or base, got third"),
    ({"mixture": "test-none"}, "must be in a mixture of validate or test, got none of that name in validate"),
    ({"channel": 2}, "must be on a channel below 2, got 2"),
])
def test_turns_that_cannot_be_are_refused(space, change, message):
    first, *others = read_table(space.turns / "turns.parquet", HEARD_TURNS).to_pylist()
    write_table(space.turns / "turns.parquet", rows_table([{**first, **change}, *others], HEARD_TURNS))
    with pytest.raises(ArtifactError, match=message):
        space.evaluate()


def test_a_split_in_which_nobody_speaks_is_refused(tmp_path):
    space = write_workspace(tmp_path, World(speakers=2, turns=1), evaluated=False)
    write_mixtures(tmp_path / "quiet", [mixture_row("validate-1", [said("a", 0, 1)]), mixture_row("test-1", [])])
    shutil.rmtree(space.mixtures)
    (tmp_path / "quiet").rename(space.mixtures)
    write_turns(space, {MODEL: {"validate-1": [heard(0, 0.1, 1.1)]}})
    summary = space.models / MODEL / "summary.json"
    write_json(summary, {**read_json(summary), "mixtures": read_json(space.turns / "origin.json")["mixtures"]})
    with pytest.raises(EvenvoiceError, match="mixtures of the test split must hold turns, got none"):
        space.evaluate()
