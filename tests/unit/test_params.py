"""params.yaml is complete, and every wrong value is refused with its name, its rule and what was given."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from evenvoice.errors import ParamsError
from evenvoice.params import Params, load_params, overlay, parse_params

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
])
def test_a_wrong_value_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamsError) as refused:
        parse_params(changed(changes), "params.yaml")
    assert message in str(refused.value)


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
