"""The stages of the arms, files to files: left out, passed on, trained, tuned and interpolated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from evenvoice.data.schemas import EMBEDDINGS, HYPOTHESES
from evenvoice.data.tables import rows_table, write_table
from evenvoice.mitigation.tuning import Jury
from evenvoice.models.recogniser import Recogniser
from evenvoice.params import MADE_FROM, Params, load_params
from evenvoice.storage import read_json
from stages import interpolate, mitigate, transcribe
from tests.builders.models import FEATURIZE, TEXTS, tiny_recogniser, tiny_train, weights, write_features
from tests.builders.tables import made_partition, no_partition, write_cohorts

BASE, MODELS = Path("artifacts/models/base"), Path("artifacts/models")
[INTERPOLATE] = MADE_FROM
TRIALS = [{"steps": 3, "learning_rate": 0.01}, {"steps": 2, "learning_rate": 0.02}]
SPEAKERS = [(split, f"s{number}", cohort) for number, (split, cohort) in enumerate(
    zip(["train"] * 6 + ["discover"] * 2 + ["validate"] * 4, ["south", "north", "north"] * 4, strict=True))]


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    given = load_params()
    monkeypatch.chdir(tmp_path)
    write_features(Path("artifacts/features"), TEXTS * 2, [split for split, _, _ in SPEAKERS])
    write_cohorts(Path("artifacts/cohorts"), made_partition({"south": 0.4, "north": 0.2}), SPEAKERS)
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

    def transcribed(self: Jury, recogniser: Recogniser, progress: Any) -> Any:
        right = next(heard)
        return rows_table([{**row, "substitutions": 0, "insertions": 0, "deletions": 0 if right else row["words"]}
                           for row in real(self, recogniser, progress).to_pylist()], HYPOTHESES)

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
