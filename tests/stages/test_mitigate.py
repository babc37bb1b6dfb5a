"""The mitigate stage, and what it leaves for the transcription of a model that is told cohorts."""

from pathlib import Path

import pytest

from evenvoice.data.schemas import COHORTS, HYPOTHESES
from evenvoice.data.tables import read_table, rows_table, write_table
from evenvoice.errors import ArtifactError
from evenvoice.mitigation.telling import EVERYONE
from evenvoice.models.recogniser import Recogniser
from evenvoice.origins import PLACED, RULES
from evenvoice.params import Params, load_params
from evenvoice.storage import read_json, write_json
from evenvoice.tracking import manifest
from stages import mitigate, paths, transcribe
from tests.builders.models import TEXTS, tiny_recogniser, tiny_train, write_features

SPLITS = ("train", "train", "train", "discover", "validate", "test")
PLACEMENT = ("region-1", "region-2", "region-2", "region-1", "region-2", None)


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A base model, its features, and two regions of which the first is worst off."""
    params = load_params()
    monkeypatch.chdir(tmp_path)
    write_features(paths.FEATURES, TEXTS, SPLITS)
    tiny_recogniser().save(paths.BASE_MODEL)
    write_json(paths.BASE_MODEL / "summary.json", {})
    write_regions(wer={"region-1": 0.3, "region-2": 0.1})
    short = params.mitigate.model_copy(update={"steps": 4, "learning_rate": 0.01, "cohorts": "geographic"})
    return params.model_copy(update={"train": tiny_train(), "mitigate": short})


def write_regions(*, wer: dict[str, float]) -> None:
    described = [{"cohort": name, "rule": name, "rank": 1, "discover_speakers": 20, "discover_words": 900,
                  "discover_wer": rate} for name, rate in wer.items()]
    regions = paths.COHORTS / "geographic"
    write_json(regions / "description.json", {"method": "geographic", "applicable": True, "reason": "told",
                                              "cohorts": described})
    write_json(regions / RULES, {"method": "geographic", "cohorts": list(wer)})
    rows = [{"speaker": f"s{number}", "split": split, "cohort": PLACEMENT[number]}
            for number, split in enumerate(SPLITS)]
    write_table(regions / "cohorts.parquet", rows_table(rows, COHORTS))


def placed(arm: str) -> dict[str, str | None]:
    rows = read_table(paths.MODELS / arm / PLACED, COHORTS).to_pylist()
    return {row["speaker"]: row["cohort"] for row in rows}


def test_a_model_with_a_cohort_input_knows_the_cohorts_and_where_transcribed_speakers_belong(params: Params) -> None:
    mitigate.main(params, "cohort_input")
    known = Recogniser.load(paths.MODELS / "cohort_input").cohorts
    assert known is not None
    assert (known.method, known.names) == ("geographic", ("region-1", "region-2"))
    assert placed("cohort_input") == {"s4": "region-2", "s5": None}
    assert read_json(paths.MODELS / "cohort_input" / RULES) == read_json(paths.COHORTS / "geographic" / RULES)
    summary = read_json(paths.MODELS / "cohort_input" / "summary.json")
    assert (summary["recordings"], summary["control"], summary["told_cohorts_of"]) == (3, False, "geographic")


def test_its_controls_are_told_something_else(params: Params) -> None:
    for arm in ("cohort_input_shuffled", "cohort_input_constant"):
        mitigate.main(params, arm)
        assert read_json(paths.MODELS / arm / "summary.json")["control"] is True
        assert not (paths.MODELS / arm / RULES).exists(), "no rule places later speakers so"
    assert placed("cohort_input_constant") == {"s4": EVERYONE, "s5": EVERYONE}
    assert set(placed("cohort_input_shuffled")) == {"s4", "s5"}


def test_speakers_are_transcribed_with_their_own_cohort(params: Params) -> None:
    mitigate.main(params, "cohort_input")
    said = {}
    for place in ("region-1", "region-2"):
        model = Recogniser.load(paths.MODELS / "cohort_input")
        assert model.transducer.encoder.cohort_CS is not None
        model.transducer.encoder.cohort_CS.data[2] = 30.0  # of region-2, which s4 is in
        model.transducer.joiner.output.weight.data *= 20
        model.save(paths.MODELS / "cohort_input")
        write_table(paths.MODELS / "cohort_input" / PLACED, rows_table(
            [{"speaker": "s4", "split": "validate", "cohort": place},
             {"speaker": "s5", "split": "test", "cohort": None}], COHORTS))
        transcribe.main(params, "cohort_input")
        table = read_table(paths.HYPOTHESES / "cohort_input" / "hypotheses.parquet", HYPOTHESES).to_pylist()
        said[place] = {row["speaker"]: row["hypothesis"] for row in table}
    assert said["region-1"]["s4"] != said["region-2"]["s4"]
    assert said["region-1"]["s5"] == said["region-2"]["s5"]


def test_what_is_served_names_no_speaker(params: Params, tmp_path: Path) -> None:
    mitigate.main(params, "cohort_input")
    write_json(tmp_path / "verdict.json", {})
    manifest.collect(paths.MODELS / "cohort_input", tmp_path / "verdict.json", tmp_path / "served")
    assert {path.name for path in (tmp_path / "served").iterdir()} == {
        "config.json", "manifest.json", "model.safetensors", RULES, "tokenizer.json"}
    assert not any(b"s4" in path.read_bytes() for path in (tmp_path / "served").glob("*.json"))


def test_a_model_that_lost_the_placement_is_not_transcribed_as_if_nobody_were_known(params: Params) -> None:
    mitigate.main(params, "cohort_input")
    (paths.MODELS / "cohort_input" / PLACED).unlink()
    with pytest.raises(ArtifactError, match=r"placed\.parquet must exist"):
        transcribe.main(params, "cohort_input")


def test_arms_without_a_cohort_input_place_nobody(params: Params) -> None:
    mitigate.main(params, "finetune")
    assert Recogniser.load(paths.MODELS / "finetune").cohorts is None
    assert not (paths.MODELS / "finetune" / PLACED).exists()


def test_without_two_cohorts_the_base_model_is_passed_on_without_a_cohort_input(params: Params) -> None:
    write_regions(wer={"region-1": 0.3})
    mitigate.main(params, "cohort_input")
    assert Recogniser.load(paths.MODELS / "cohort_input").cohorts is None
    transcribe.main(params, "cohort_input")
