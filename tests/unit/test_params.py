"""params.yaml is complete, and every wrong value is refused with its name, its rule and what was given."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from evenvoice.errors import ParamsError
from evenvoice.params import Params, load_params, models_of, overlay, parse_params, settle
from evenvoice.settings import Layer

ROOT = Path(__file__).parents[2]
CONTENT = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    return overlay(CONTENT, changes)


def test_the_committed_params_are_valid() -> None:
    assert load_params(ROOT / "params.yaml").seed == CONTENT["seed"]


@pytest.mark.parametrize(("changes", "message"), [
    ({"train": {"steps": 0}}, "train.steps must be greater than or equal to 1, got 0 instead"),
    ({"train": {"stepz": 1}}, "train.stepz must be a known name, got 1 instead"),
    ({"ingest": {"layout": "tape"}}, "ingest.layout must be 'auto', 'synthetic'"),
    ({"ingest": {"min_duration_s": 99.0}}, "min_duration_s must be below max_duration_s"),
    ({"ingest": {"split": {"train": 0.9}}}, "shares must add up to 1, got 1.4"),
    ({"ingest": {"concatenate_min": 3}}, "concatenate_min must not exceed concatenate_max"),
    ({"gate": {"confidence": "often"}}, "gate.confidence must be a valid number"),
    ({"gate": {"max_gap": True}}, "gate.max_gap must be a valid number, got True instead"),
    ({"gate": {"max_gap": "0.5"}}, "gate.max_gap must be a valid number, got '0.5' instead"),
    ({"gate": {"max_gap": float("inf")}}, "gate.max_gap must be a finite number, got inf instead"),
    ({"gate": {"max_gap": float("nan")}}, "gate.max_gap must be a finite number, got nan instead"),
    ({"train": {"steps": True}}, "train.steps must be a valid integer, got True instead"),
    ({"ingest": {"allow_speaker_overlap": 1}}, "ingest.allow_speaker_overlap must be true or false, got 1 instead"),
    ({"ingest": {"select": 5}}, "Put quotes around a text that looks like something else."),
    ({"arms": {"cohort_input": {"dropout": 1.0}}}, "arms.cohort_input.dropout must be less than 1, got 1.0 instead"),
    ({"arms": {"cohort_input": {"dropout": 0.5}}}, "cohort_input_shuffled must be set as cohort_input is"),
    ({"arms": {"cohort_input_constant": {"dropout": 0.5}}}, "cohort_input_constant must be set as cohort_input is"),
    ({"ingest": {"plant": {"south": 40.0, "north": 30.0}}}, "ingest.plant must satisfy: south must be below north"),
    ({"ingest": {"plant": {"west": 9.0, "east": 9.0}}}, "ingest.plant must satisfy: west must be below east, got 9 an"),
    ({"ingest": {"plant": {"transform": "formants"}}}, "speakers must be chosen by a box, an attribute or a share"),
    ({"ingest": {"plant": {"train_share": 0.5}}}, "speakers must be chosen by a box, an attribute or a share"),
    ({"ingest": {"plant": {"share": 0.2}}}, "a transform or a train_share below 1 must be given with a share"),
    ({"ingest": {"plant": {"transform": "band", "share": 0.2, "north": 50.0}}},
     "speakers must be chosen in one way, got a box and a share"),
    ({"ingest": {"plant": {"transform": "band", "attribute": "gender"}}},
     "attribute and value must be given together, got gender and ''"),
    ({"ingest": {"plant": {"transform": "band", "value": "female"}}}, "attribute and value must be given together"),
    ({"ingest": {"plant": {"transform": "pitch"}}}, "ingest.plant.transform must be 'none', 'formants', 'speed'"),
    ({"ingest": {"plant": {"strength": 0.1}}}, "strength must be 0 without a transform, got 0.1"),
    ({"ingest": {"plant": {"transform": "noise", "share": 0.2, "strength": -0.1}}},
     "strength of noise must not be negative, got -0.1"),
    ({"ingest": {"plant": {"transform": "band", "share": 0.2, "strength": 1.0}}},
     "strength of band must be at most 0.95, got 1"),
    ({"ingest": {"plant": {"transform": "speed", "share": 0.2, "strength": -0.6}}},
     "ingest.plant.strength must be greater than or equal to -0.5"),
    ({"arms": {"reweight": {"clusters": 3}}}, "reweight_random must be set as reweight is"),
    ({"arms": {"reweight": {"adversary": "deep"}}}, "arms.reweight.adversary must be 'linear' or 'hidden', got 'deep'"),
    ({"mitigate": {"arms": ["placebo", "ewcc"]}}, "mitigate.arms.1 must be one of finetune, l2sp, "),
    ({"mitigate": {"arms": ["placebo", "ewcc"]}}, "got 'ewcc' instead. Correct mitigate.arms.1 in params.yaml. Did you "
                                                  "mean ewc?"),
    ({"mitigate": {"arms": ["ewc", "finetune"]}}, "mitigate.arms must be a list with a control in it (placebo"),
    ({"mitigate": {"arms": ["placebo", "ewc", "ewc"]}}, "mitigate.arms must be a list that names each arm once, got "),
    ({"mitigate": {"arms": "ewc"}}, "mitigate.arms must be a list, got 'ewc' instead"),
    ({"ingest": {"columns": ["mother tongue"]}}, "ingest.columns.0 must satisfy: String should match pattern"),
    ({"ingest": {"columns": ["device", "device"]}}, "ingest.columns must be a list that names each column once"),
    ({"ingest": {"columns": ["gender"]}}, "columns must name further ones, and gender is read anyway"),
    ({"discover": {"attributes": {"columns": ["device"]}}},
     "must name gender, age_band, accent, country or columns of ingest.columns, got device: add it there"),
    ({"mitigate": {"cohorts": "attributes"}}, "mitigate.cohorts must be 'geographic', 'geodemographic', 'clusters' or"),
    ({"amortize": {"target": 1.3}}, "amortize.target must be a number above 0 and at most 1, or 'none', got 1.3"),
    ({"amortize": {"target": True}}, "amortize.target must be a number above 0 and at most 1, or 'none', got True"),
    ({"amortize": {"enabled": True}}, "amortize.enabled must be false with train.encoder: lstm, no part of which can "
                                      "be switched off; of all encoders transformer has such parts, got True"),
    ({"train": None}, "train must be a section of names and values, got None instead"),
])
def test_a_wrong_value_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamsError) as refused:
        parse_params(changed(changes), "params.yaml")
    assert message in str(refused.value)


def test_arms_may_be_listed_in_any_order_or_not_at_all() -> None:
    def models(arms: list[str]) -> tuple[str, ...]:
        settled = parse_params(changed({"mitigate": {"arms": arms}}), "params.yaml")
        return models_of(arms=settled.mitigate.arms, amortized=settled.amortize.enabled)

    assert models(["placebo", "finetune"]) == models(["finetune", "placebo"]) == ("base", "finetune", "placebo")
    assert models([]) == ("base",)


def test_an_amortized_model_is_judged_beside_its_dense_control() -> None:
    settled = parse_params(changed({"train": {"encoder": "transformer"}, "amortize": {"enabled": True},
                                    "mitigate": {"arms": []}}), "params.yaml")
    assert models_of(arms=settled.mitigate.arms, amortized=settled.amortize.enabled) == ("base", "dense", "amortized")


def test_a_missing_value_is_refused_because_nothing_has_a_hidden_default() -> None:
    content = {name: section for name, section in CONTENT.items() if name != "gate"}
    with pytest.raises(ParamsError, match="gate must be given, got nothing instead"):
        parse_params(content, "params.yaml")


def test_no_field_has_a_default() -> None:
    def defaults(model: type[BaseModel], prefix: str = "") -> list[str]:
        found = []
        for name, field in model.model_fields.items():
            if not field.is_required():
                found.append(prefix + name)
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                found += defaults(field.annotation, f"{prefix}{name}.")
        return found

    assert defaults(Params) == []


def test_every_value_has_help_for_the_trigger_form() -> None:
    schema = Params.model_json_schema()
    sections = {name: body["properties"] for name, body in schema["$defs"].items() if name != "Split"}
    silent = [f"{section}.{name}" for section, fields in sections.items() for name, field in fields.items()
              if "description" not in field and "$ref" not in field]
    assert silent == []


def test_parameters_cannot_be_changed_after_they_were_checked() -> None:
    params = load_params(ROOT / "params.yaml")
    with pytest.raises(ValueError, match="frozen"):
        params.train.steps = 1


def test_a_profile_changes_what_it_names_and_nothing_else() -> None:
    merged = overlay({"train": {"steps": 5, "dropout": 0.1}, "seed": 1}, {"train": {"steps": 6}})
    assert merged == {"train": {"steps": 6, "dropout": 0.1}, "seed": 1}


def test_a_missing_file_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="Run from the root of a checkout"):
        load_params(tmp_path / "params.yaml")


def test_a_file_that_is_not_yaml_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("seed: [1", encoding="utf-8")
    with pytest.raises(ParamsError, match="line 1"):
        load_params(tmp_path / "params.yaml")


def changed_file(folder: Path, old: str, new: str) -> Path:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    (folder / "params.yaml").write_text(text.replace(old, new), encoding="utf-8")
    return folder / "params.yaml"


def line_of(text: str) -> int:
    lines = (ROOT / "params.yaml").read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if line.strip() == text)


@pytest.mark.parametrize(("old", "new", "words"), [
    ("max_wer: 0.25", "max_wer: yes", "gate.max_wer must be a valid number, got 'yes' instead"),
    ("max_wer: 0.25", "max_wer: true", "gate.max_wer must be a valid number, got true instead"),
    ("max_wer: 0.25", "max_wer: .inf", "gate.max_wer must be a finite number, got .inf instead"),
    ("max_rejected: 0.0", "max_rejected: on",
     "ingest.max_rejected must be a valid number, got 'on' instead"),
    ("vocabulary: 512", "vocabulary: 0512", "tokenizer.vocabulary must mean the same to every reader"),
    ("vocabulary: 512", "vocabulary: 20:00", "tokenizer.vocabulary must mean the same to every reader"),
    ("vocabulary: 512", "vocabulary: 5.5e2", "tokenizer.vocabulary must be a valid integer, got 5.5e2"),
    ("max_wer: 0.25", "max_werr: 0.25", "gate.max_werr must be a known name, got 0.25 instead. Correct "),
])
def test_a_slip_in_the_file_is_refused_with_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = changed_file(tmp_path, old, new)

    with pytest.raises(ParamsError) as refused:
        load_params(path)

    assert str(refused.value).startswith(f"{path}, line {line_of(old)}: {words}")


def test_a_number_without_a_dot_may_have_an_exponent(tmp_path: Path) -> None:
    assert load_params(changed_file(tmp_path, "max_wer: 0.25", "max_wer: 25e-2")).gate.max_wer == 0.25


@pytest.mark.parametrize(("name", "nearest"), [
    ("train.stepz", "train.steps"), ("trian", "train"), ("train.learning-rate", "train.learning_rate"),
    ("train.max_wer", "gate.max_wer"),
])
def test_an_unknown_name_is_answered_with_the_nearest_known_one(name: str, nearest: str) -> None:
    section, _, last = name.partition(".")
    content = changed({section: {last: 5} if last else {}})

    with pytest.raises(ParamsError, match=rf"{name} must be a known name.*Did you mean {nearest}\?"):
        parse_params(content, "params.yaml")


def test_a_name_like_no_other_gets_no_suggestion() -> None:
    with pytest.raises(ParamsError) as refused:
        parse_params(changed({"zzz": 1}), "params.yaml")
    assert "Did you mean" not in str(refused.value)


def test_a_misspelt_name_is_told_before_the_missing_one_that_it_was_meant_for() -> None:
    train = {name: value for name, value in CONTENT["train"].items() if name != "encoder"}
    with pytest.raises(ParamsError, match=r"train\.encodr must be a known name.*train\.encoder\? \(1 more problems"):
        parse_params({**CONTENT, "train": {**train, "encodr": "lstm"}}, "params.yaml")


@pytest.mark.parametrize(("second", "third", "words"), [
    ({"train": {"steps": 0}}, {"train": {"size": "tiny"}}, "profile: train.steps must be greater"),
    ({"train": {"steps": 6}}, {"train": {"steps": 0}}, "SET: train.steps must be greater"),
    ({"train": {"steps": 0}}, {"train": {"steps": 6}}, "profile: train.steps must be greater"),
    ({"train": 5}, {"train": {"steps": 6}}, "profile: train must be a section of names and values, got 5"),
    ({"ingest": {"min_duration_s": 99.0}}, {"ingest": {"corpus": "here"}}, "profile: ingest must satisfy: min_durat"),
])
def test_the_layer_that_gave_a_refused_value_is_blamed(second: Any, third: Any, words: str) -> None:
    with pytest.raises(ParamsError) as refused:
        settle([Layer("params.yaml", CONTENT), Layer("profile", second), Layer("SET", third)])
    assert str(refused.value).startswith(words)


@given(text=st.one_of(st.text(), st.sampled_from(sorted((ROOT / "params.yaml").read_text().splitlines()))),
       line=st.integers(0, 170))
def test_any_line_in_params_yaml_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str,
                                                    line: int) -> None:
    lines = (ROOT / "params.yaml").read_text(encoding="utf-8").splitlines()
    path = tmp_path_factory.getbasetemp() / "params.yaml"
    path.write_bytes("\n".join([*lines[:line], text, *lines[line:]]).encode())
    with suppress(ParamsError):
        assert isinstance(load_params(path), Params)
