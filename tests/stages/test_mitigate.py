"""The stages of the arms, files to files: left out, passed on, trained, tuned, told cohorts and interpolated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from evenvoice.data.schemas import COHORTS, EMBEDDINGS, HYPOTHESES
from evenvoice.data.tables import read_table, rows_table, write_table
from evenvoice.errors import ArtifactError
from evenvoice.mitigation.telling import EVERYONE
from evenvoice.mitigation.tuning import Jury
from evenvoice.models.recogniser import Recogniser
from evenvoice.origins import PLACED, RULES
from evenvoice.params import MADE_FROM, Params, load_params
from evenvoice.storage import read_json, write_json
from evenvoice.tracking import manifest
from evenvoice.training.curve import Curve
from stages import interpolate, mitigate, paths, transcribe
from tests.builders.models import (
    FEATURIZE,
    TEXTS,
    talkative_recogniser,
    tiny_recogniser,
    tiny_train,
    weights,
    write_features,
)
from tests.builders.tables import made_partition, no_partition, write_cohorts

BASE, MODELS = Path("artifacts/models/base"), Path("artifacts/models")
[INTERPOLATE] = MADE_FROM
TRIALS = [{"steps": 3, "learning_rate": 0.01}, {"steps": 2, "learning_rate": 0.02}]
SPEAKERS = [(split, f"s{number}", cohort) for number, (split, cohort) in enumerate(
    zip(["train"] * 6 + ["discover"] * 2 + ["validate"] * 3 + ["test"],
        ["south", "north", "north"] * 3 + ["south", "north", None], strict=True))]


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    given = load_params()
    monkeypatch.chdir(tmp_path)
    write_features(Path("artifacts/features"), TEXTS * 2, [split for split, _, _ in SPEAKERS])
    write_cohorts(Path("artifacts/cohorts"), made_partition({"south": 0.4, "north": 0.2}), SPEAKERS)
    write_json(Path("artifacts/cohorts/geographic") / RULES, {"method": "geographic", "cohorts": ["south", "north"]})
    tiny_recogniser().save(BASE)
    transcribe.main(given, "base")
    write_table(Path("artifacts/embeddings/embeddings.parquet"), rows_table([], EMBEDDINGS))
    return given.model_copy(update={"train": tiny_train(), "featurize": FEATURIZE})


def asked(params: Params, trials: int = 1, *arms: str) -> Params:
    changed = {**params.mitigate.model_dump(), "trials": TRIALS[:trials], "arms": [*arms, "placebo"]}
    return params.model_copy(update={"mitigate": type(params.mitigate).model_validate(changed)})


def summary(arm: str) -> dict[str, Any]:
    content: dict[str, Any] = read_json(MODELS / arm / "summary.json")
    return content


def of(arm: str) -> torch.Tensor:
    return weights(Recogniser.load(MODELS / arm))


def test_an_arm_that_is_left_out_is_the_base_model_and_says_so(params: Params) -> None:
    mitigate.main(asked(params), "ewc")
    interpolate.main(asked(params))

    for arm in ("ewc", INTERPOLATE):
        assert summary(arm)["left_out"] is True
        assert torch.equal(of(arm), of("base"))


def test_where_nobody_is_worse_off_the_base_model_is_passed_on(params: Params) -> None:
    write_cohorts(Path("artifacts/cohorts"), no_partition("geographic"), SPEAKERS)
    tiny_recogniser().save(BASE)

    mitigate.main(asked(params, 1, "finetune"), "finetune")
    interpolate.main(asked(params, 1, "finetune", INTERPOLATE))

    for arm in ("finetune", INTERPOLATE):
        assert (summary(arm)["bottom_speakers"], "left_out" in summary(arm)) == (0, False)
        assert torch.equal(of(arm), of("base"))


def test_with_one_trial_nothing_is_decoded(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Jury, "_transcribed", lambda *_: pytest.fail("a single trial was listened to"))

    mitigate.main(asked(params), "placebo")

    assert summary("placebo")["trials"] == [{**TRIALS[0], "kept": True}]
    assert summary("placebo")["steps"] == 3
    assert not Path("checkpoints/placebo-1").exists()


@pytest.mark.parametrize(("arm", "choices"), [("oversample", [{"factor": 4.0}, {"factor": 2.0}]), ("ewc", [{}, {}])])
def test_of_several_trials_validate_speakers_keep_one_and_all_are_told(params: Params, arm: str,
                                                                       choices: list[dict[str, float]]) -> None:
    mitigate.main(asked(params, 2, arm), arm)

    told = summary(arm)["trials"]
    assert [{**trial, **choice}.items() <= found.items()
            for trial, choice, found in zip(TRIALS, choices, told, strict=True)] == [True, True]
    assert all(found[figure] >= 0 for found in told for figure in ("validate_bottom_wer", "validate_whole_wer"))
    [kept] = [trial for trial in told if trial["kept"]]
    assert summary(arm)["steps"] == kept["steps"]
    assert not list(Path("checkpoints").glob(f"{arm}*"))


def test_the_trial_that_serves_the_bottom_best_is_kept(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second trial says what was said; the first says nothing at all."""
    given = asked(params, 2, "finetune")
    real, heard = Jury._transcribed, iter([False, True])

    def transcribed(self: Jury, *arguments: Any) -> Any:
        right = next(heard)
        return rows_table([{**row, "substitutions": 0, "insertions": 0, "deletions": 0 if right else row["words"]}
                           for row in real(self, *arguments).to_pylist()], HYPOTHESES)

    monkeypatch.setattr(Jury, "_transcribed", transcribed)
    mitigate.main(given, "finetune")

    assert [trial["kept"] for trial in summary("finetune")["trials"]] == [False, True]
    assert [trial["validate_bottom_wer"] for trial in summary("finetune")["trials"]] == [1.0, 0.0]


def test_interpolation_is_between_base_and_fine_tuned_with_as_many_shares_as_others_have_trials(params: Params) -> None:
    given = asked(params, 1, "finetune", INTERPOLATE)
    mitigate.main(given, "finetune")
    interpolate.main(given)

    share = given.arms.interpolate.shares[0]
    assert summary(INTERPOLATE)["trials"] == [{"share": share, "kept": True}]
    assert torch.allclose(of(INTERPOLATE), (1 - share) * of("base") + share * of("finetune"), atol=1e-6)

    interpolate.main(asked(params, 2, "finetune", INTERPOLATE))
    assert [trial["share"] for trial in summary(INTERPOLATE)["trials"]] == list(given.arms.interpolate.shares[:2])


def placed(arm: str) -> dict[str, str | None]:
    rows = read_table(MODELS / arm / PLACED, COHORTS).to_pylist()
    return {row["speaker"]: row["cohort"] for row in rows}


def place(arm: str, speaker: str, where: str) -> None:
    """Write another cohort of one speaker beside the model."""
    rows = read_table(MODELS / arm / PLACED, COHORTS).to_pylist()
    write_table(MODELS / arm / PLACED, rows_table(
        [{**row, "cohort": where if row["speaker"] == speaker else row["cohort"]} for row in rows], COHORTS))


def said(params: Params, model: str) -> dict[str, str]:
    transcribe.main(params, model)
    rows = read_table(paths.HYPOTHESES / model / "hypotheses.parquet", HYPOTHESES).to_pylist()
    return {row["speaker"]: row["hypothesis"] for row in rows}


def test_a_model_with_a_cohort_input_knows_the_cohorts_and_where_transcribed_speakers_belong(params: Params) -> None:
    mitigate.main(asked(params, 1, "cohort_input"), "cohort_input")
    known = Recogniser.load(MODELS / "cohort_input").cohorts
    assert known is not None
    assert (known.method, known.names) == ("geographic", ("south", "north"))
    assert placed("cohort_input") == {"s6": "south", "s7": "north", "s8": "north", "s9": "south", "s10": "north",
                                      "s11": None}
    assert read_json(MODELS / "cohort_input" / RULES) == read_json(paths.COHORTS / "geographic" / RULES)
    told = summary("cohort_input")
    assert (told["recordings"], told["control"], told["told_cohorts_of"]) == (6, False, "geographic")


def test_its_controls_are_told_something_else(params: Params) -> None:
    controls = ("cohort_input_shuffled", "cohort_input_constant")
    for arm in controls:
        mitigate.main(asked(params, 1, *controls), arm)
        assert summary(arm)["control"] is True
        assert not (MODELS / arm / RULES).exists(), "no rule places later speakers so"
    heard = {speaker for split, speaker, _ in SPEAKERS if split != "train"}
    assert placed("cohort_input_constant") == dict.fromkeys(heard, EVERYONE)
    assert set(placed("cohort_input_shuffled")) == heard


def test_speakers_are_transcribed_with_their_own_cohort(params: Params) -> None:
    mitigate.main(asked(params, 1, "cohort_input"), "cohort_input")
    model = Recogniser.load(MODELS / "cohort_input")
    assert model.transducer.encoder.cohort_CS is not None
    model.transducer.encoder.cohort_CS.data[2] = 30.0  # of the north
    model.transducer.joiner.output.weight.data *= 20
    model.save(MODELS / "cohort_input")
    heard = {}
    for where in ("south", "north"):
        place("cohort_input", "s8", where)
        heard[where] = said(params, "cohort_input")
    assert heard["south"]["s8"] != heard["north"]["s8"]
    assert heard["south"]["s11"] == heard["north"]["s11"]


@pytest.mark.parametrize("arm", ["cohort_input", "cohort_input_shuffled"])
def test_validate_speakers_hear_each_trial_with_the_cohorts_that_the_model_is_told_ever_after(
        params: Params, monkeypatch: pytest.MonkeyPatch, arm: str) -> None:
    talkative_recogniser().save(BASE)
    transcribed, heard = Jury._transcribed, []

    def learn(*, recogniser: Recogniser, **_: Any) -> Curve:
        vectors = recogniser.transducer.encoder.cohort_CS
        assert vectors is not None
        vectors.data = 2 * torch.randn(vectors.shape, generator=torch.Generator().manual_seed(4))
        return Curve()

    def listened(self: Jury, *arguments: Any) -> Any:
        heard.append(transcribed(self, *arguments))
        return heard[-1]

    monkeypatch.setattr(mitigate, "fit", learn)
    monkeypatch.setattr(Jury, "_transcribed", listened)
    mitigate.main(asked(params, 2, arm), arm)

    def ever_after() -> dict[str, str]:
        return {speaker: text for speaker, text in said(params, arm).items() if speaker in ("s8", "s9", "s10")}

    assert [dict(zip(*table.select(["speaker", "hypothesis"]).to_pydict().values(), strict=True)) for table in heard] \
        == [ever_after()] * 2
    for speaker in ("s8", "s9", "s10"):
        place(arm, speaker, "unknown")
    assert all(text != told for text, told in zip(ever_after().values(), heard[0]["hypothesis"].to_pylist(),
                                                  strict=True))


def test_what_is_served_names_no_speaker(params: Params, tmp_path: Path) -> None:
    mitigate.main(asked(params, 1, "cohort_input"), "cohort_input")
    write_json(tmp_path / "verdict.json", {})
    manifest.collect(MODELS / "cohort_input", tmp_path / "verdict.json", tmp_path / "served")
    assert {path.name for path in (tmp_path / "served").iterdir()} == {
        "config.json", "manifest.json", "model.safetensors", RULES, "tokenizer.json"}
    assert not any(b"s8" in path.read_bytes() for path in (tmp_path / "served").glob("*.json"))


def test_a_model_that_lost_the_placement_is_not_transcribed_as_if_nobody_were_known(params: Params) -> None:
    mitigate.main(asked(params, 1, "cohort_input"), "cohort_input")
    (MODELS / "cohort_input" / PLACED).unlink()
    with pytest.raises(ArtifactError, match=r"placed\.parquet must exist"):
        transcribe.main(params, "cohort_input")


def test_arms_without_a_cohort_input_place_nobody(params: Params) -> None:
    mitigate.main(asked(params, 1, "finetune"), "finetune")
    assert Recogniser.load(MODELS / "finetune").cohorts is None
    assert not (MODELS / "finetune" / PLACED).exists()


@pytest.mark.parametrize("left_out", [True, False])
def test_a_base_model_in_the_place_of_a_cohort_input_is_told_nothing(params: Params, *, left_out: bool) -> None:
    if not left_out:
        write_cohorts(Path("artifacts/cohorts"), no_partition("geographic"), SPEAKERS)
        tiny_recogniser().save(BASE)
    mitigate.main(asked(params, 1, *([] if left_out else ["cohort_input"])), "cohort_input")
    assert Recogniser.load(MODELS / "cohort_input").cohorts is None
    assert not (MODELS / "cohort_input" / PLACED).exists()
    transcribe.main(params, "cohort_input")
