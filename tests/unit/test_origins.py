"""Results of another model, other features or another tokenizer are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from evenvoice.errors import ArtifactError
from evenvoice.origins import Origin, Origins, check_contents, collect, demand_same, write_contents
from evenvoice.storage import read_json, write_json
from tests.builders.origins import FEATURES, made_origins
from tests.builders.tables import no_partition, write_cohorts, write_hypotheses

NAMES = ("base", "ewc")
METHODS = ("geographic", "clusters")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    for model in NAMES:
        write_hypotheses(tmp_path / "hypotheses", model, [])
    for method in METHODS:
        write_cohorts(tmp_path / "cohorts", no_partition(method), [])
    return tmp_path


def collected(run: Path) -> Origins:
    return collect(hypotheses=run / "hypotheses", cohorts=run / "cohorts", models=run / "models", names=NAMES,
                   methods=METHODS, base="base")


def change(path: Path, **values: object) -> None:
    write_json(path, {**read_json(path), **values})


def test_what_belongs_together_names_every_model(run: Path) -> None:
    assert collected(run) == made_origins(run / "models", NAMES)


def retrained(run: Path) -> None:
    change(run / "models/base/config.json", weights_sha256="other weights")


def arm_retrained(run: Path) -> None:
    change(run / "models/ewc/config.json", weights_sha256="other weights")


def arm_of_another_base(run: Path) -> None:
    change(run / "models/ewc/summary.json", base="0" * 64)


def trained_on_other_features(run: Path) -> None:
    change(run / "models/base/summary.json", features="0" * 64)


def heard_other_features(run: Path) -> None:
    change(run / "hypotheses/ewc/origin.json", features="0" * 64)


def spelled_by_another_tokenizer(run: Path) -> None:
    change(run / "hypotheses/ewc/origin.json", tokenizer="0" * 64)


def cohorts_of_another_model(run: Path) -> None:
    described = run / "cohorts/clusters/description.json"
    write_json(described, {**read_json(described), "origin": {**read_json(described)["origin"], "model": "0" * 64}})


def cohorts_that_say_nothing(run: Path) -> None:
    change(run / "cohorts/clusters/description.json", origin=None)


@pytest.mark.parametrize(("fault", "said"), [
    (retrained, r"hypotheses of 'base' must come from the model in .*models/base .* FORCE_STAGE=transcribe@base"),
    (arm_retrained, r"hypotheses of 'ewc' must come from the model in .*models/ewc .* FORCE_STAGE=transcribe@ewc"),
    (arm_of_another_base, r"models/ewc must come from the base model that was transcribed .* FORCE_STAGE=mitigate@ewc"),
    (trained_on_other_features, r"hypotheses of 'base' must come from the features that the model was trained on"),
    (heard_other_features, r"hypotheses of 'ewc' must come from the features that 'base' heard"),
    (spelled_by_another_tokenizer, r"hypotheses of 'ewc' must come from the tokenizer of 'base'"),
    (cohorts_of_another_model, r"cohorts of 'clusters' must come from the model behind the hypotheses of 'base'"),
    (cohorts_that_say_nothing, r"description\.json, origin must name the model, features, tokenizer"),
])
def test_what_does_not_belong_together_is_refused_by_name(run: Path, fault: Callable[[Path], None], said: str) -> None:
    fault(run)

    with pytest.raises(ArtifactError, match=said):
        collected(run)


def test_a_verdict_of_another_run_is_refused_beside_these_hypotheses(run: Path) -> None:
    here = collected(run)
    other = Origins(features=here.features, tokenizer=here.tokenizer, models={**here.models, "ewc": "0" * 64})

    with pytest.raises(ArtifactError, match=r"what the verdict says of 'ewc' must come from the model behind these"):
        demand_same(other, here, source="the verdict", other="these hypotheses", stage="gate")


def test_a_model_that_was_trained_anew_is_refused_beside_an_old_verdict(run: Path) -> None:
    judged = collected(run)
    retrained(run)

    with pytest.raises(ArtifactError, match=r"what verdict\.json says of 'base' must come from the model in"):
        judged.demand_models(run / "models", source="verdict.json", stage="gate")


def test_a_model_that_was_never_evaluated_has_no_origin(run: Path) -> None:
    with pytest.raises(ArtifactError, match="'l2sp' must be one that was evaluated, got only base, ewc"):
        collected(run).only(["l2sp"])


@pytest.mark.parametrize("content", [None, [], {}, {"features": "f", "tokenizer": "t"},
                                     {"features": 1, "tokenizer": "t", "models": {}}])
def test_origins_of_another_form_are_refused(content: object) -> None:
    with pytest.raises(ArtifactError, match=r"verdict\.json must name the features, tokenizer and models"):
        Origins.read(content, "verdict.json")


def test_origin_and_origins_survive_json() -> None:
    origin = Origin(model="m", features=FEATURES, tokenizer="t")
    origins = Origins(features=FEATURES, tokenizer="t", models={"base": "m"})

    assert Origin.read(origin.to_json(), "") == origin
    assert Origins.read(origins.to_json(), "") == origins


def test_a_shard_that_is_missing_cut_or_foreign_is_named(tmp_path: Path) -> None:
    (tmp_path / "features-00000.arrow").write_bytes(b"12345")
    (tmp_path / "statistics.json").write_bytes(b"{}")
    write_contents(tmp_path)
    check_contents(tmp_path)

    (tmp_path / "features-00000.arrow").write_bytes(b"1234")
    with pytest.raises(ArtifactError, match=r"features-00000\.arrow must be .* \(5 bytes\), got 4 bytes"):
        check_contents(tmp_path)
    (tmp_path / "features-00000.arrow").unlink()
    with pytest.raises(ArtifactError, match=r"features-00000\.arrow must be .* \(5 bytes\), got no such file"):
        check_contents(tmp_path)
    (tmp_path / "features-00000.arrow").write_bytes(b"12345")
    (tmp_path / "features-00001.arrow").write_bytes(b"1")
    with pytest.raises(ArtifactError, match=r"features-00001\.arrow must be .* \(no such file\), got 1 bytes"):
        check_contents(tmp_path)
