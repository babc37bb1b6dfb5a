"""What the form, or a request over REST, asks of a run: unknown names and values of another kind are refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import AirflowFailException
from hypothesis import given
from hypothesis import strategies as st

from dags import effects, operators
from dags.dvc_graph import load_graph
from dags.rollback import RollbackOperator
from dags.runs import Run
from dags.trigger_form import RunValues, form, request_of
from dags.workspace import RERUN, SHOW, Request, run_params
from evenvoice.errors import ParamsError
from evenvoice.params import Params, names
from tests.builders.checkout import checkout

ROOT = Path(__file__).resolve().parents[2]
FORM = form(ROOT, load_graph(ROOT))
UNTOUCHED = {name: param.value for name, param in FORM.items()}


def asked(conf: Mapping[str, Any]) -> Request:
    """As Airflow hands it on: conf laid over the form's values, known or not."""
    return request_of({**UNTOUCHED, **conf}, conf)


def test_the_form_asks_for_what_is_read_and_nothing_else() -> None:
    assert set(FORM) == {*RunValues.model_fields, *names(Params)}
    assert FORM["stale"].schema["enum"] == [SHOW, RERUN]


def test_an_untouched_form_changes_nothing() -> None:
    assert asked({}) == Request(given_in="the conf of this DAG run")


def test_what_is_filled_in_is_asked_for() -> None:
    request = asked({"profile": "tiny", "force": True, "train.steps": 7, "ingest.allow_speaker_overlap": "true"})

    assert request.profile == "tiny"
    assert request.force is True
    assert request.changes == {"train.steps": 7, "ingest.allow_speaker_overlap": True}


def test_a_list_is_asked_for_as_what_it_holds() -> None:
    assert FORM["mitigate.arms"].schema["items"] == {"type": "string"}
    assert FORM["mitigate.trials"].schema["items"] == {"type": "object"}
    assert asked({"mitigate.arms": ["placebo"]}).changes == {"mitigate.arms": ["placebo"]}


@pytest.mark.parametrize(("conf", "words"), [
    ({"train.stepz": 5}, "train.stepz must be a known name, got 5 instead. Correct train.stepz in the conf of this DAG "
                         "run. Did you mean train.steps?"),
    ({"mitigate": {"armz": 1}}, "mitigate.armz must be a known name, got 1 instead."),
    ({"mitigate": {"bottom_share": 3}}, "mitigate must be given by its dotted name mitigate.bottom_share, got "
                                        "{'bottom_share': 3} instead."),
    ({"mitigate": 3}, "mitigate must be the name of one value, such as mitigate.cohorts, got 3 instead."),
    ({"profil": "tiny"}, "profil must be a known name, got 'tiny' instead. Correct profil in the conf of this DAG run. "
                         "Did you mean profile?"),
    ({"train.stepz": None}, "train.stepz must be a known name, got None instead."),
    ({"force": "false"}, "force must be true or false, got 'false' instead."),
    ({"corpus": None}, "corpus must be a text, got None instead."),
])
def test_a_slip_in_a_name_is_refused_with_the_nearest_one(conf: dict[str, Any], words: str) -> None:
    with pytest.raises(ParamsError) as refused:
        asked(conf)
    assert str(refused.value).startswith(f"the conf of this DAG run: {words}")


@pytest.mark.parametrize(("conf", "words"), [
    ({"gate.max_gap": True}, "gate.max_gap must be a valid number, got True instead"),
    ({"gate.max_gap": float("nan")}, "gate.max_gap must be a finite number, got nan instead"),
    ({"mitigate.arms": ["placebo", "ewcc"]}, "mitigate.arms.1 must be one of "),
    ({"train.steps": 0}, "train.steps must be greater than or equal to 1, got 0 instead"),
    ({"train.steps": "7"}, "train.steps must be a valid integer, got '7' instead"),
    ({"ingest.allow_speaker_overlap": "maybe"}, "ingest.allow_speaker_overlap must be true or false, got 'maybe'"),
])
def test_a_slip_in_a_value_is_blamed_on_the_conf_whatever_the_profile(conf: dict[str, Any], words: str) -> None:
    with pytest.raises(ParamsError) as refused:
        run_params(ROOT, asked({"profile": "tiny", **conf}))
    assert str(refused.value).startswith(f"the conf of this DAG run: {words}")


def test_a_name_is_refused_although_airflow_was_told_to_lay_no_conf_over_the_form() -> None:
    with pytest.raises(ParamsError, match=r"train\.stepz must be a known name"):
        request_of(UNTOUCHED, {"train.stepz": 5})


def test_airflow_hands_on_a_name_that_the_form_does_not_have() -> None:
    params = ParamsDict(FORM)
    params.update({"train.stepz": 5})

    with pytest.raises(ParamsError, match=r"train\.stepz must be a known name"):
        request_of(params.validate(), {})


VALUES = st.recursive(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
                      lambda below: st.lists(below, max_size=2) | st.dictionaries(st.text(), below, max_size=2),
                      max_leaves=4)


@given(st.dictionaries(st.one_of(st.text(), st.sampled_from([*FORM, "train", "mitigate"])), VALUES, max_size=3))
def test_any_conf_is_understood_or_refused(conf: dict[str, Any]) -> None:
    try:
        request = asked(conf)
    except ParamsError:
        return
    assert set(conf) <= set(FORM)
    assert request.changes.keys() == {name for name, value in conf.items() if value is not None} - set(
        RunValues.model_fields)


def context(conf: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    return {"run_id": "manual__1", "dag_run": SimpleNamespace(conf=conf, dag_id="train_asr"),
            "params": {**values, **conf}}


def test_the_first_task_refuses_and_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = checkout(tmp_path / "checkout")
    monkeypatch.setattr(operators, "ROOT", root)
    monkeypatch.delenv("EVENVOICE_RUN", raising=False)

    with pytest.raises(AirflowFailException, match=r"ParamsError: the conf of this DAG run: train\.stepz must"):
        effects.snapshot.function(**context({"train.stepz": 5}, UNTOUCHED))

    assert not Run(root, "manual__1").workspace.exists()


def test_the_first_task_takes_a_run_without_any_conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = checkout(tmp_path / "checkout")
    monkeypatch.setattr(operators, "ROOT", root)
    monkeypatch.delenv("EVENVOICE_RUN", raising=False)

    dag_run = SimpleNamespace(conf=None, dag_id="train_asr")
    effects.snapshot.function(run_id="manual__1", dag_run=dag_run, params=UNTOUCHED)

    assert Run(root, "manual__1").workspace.exists()


def test_a_rollback_with_a_misspelt_name_touches_no_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operators, "ROOT", tmp_path)
    monkeypatch.delenv("EVENVOICE_RUN", raising=False)
    operator = RollbackOperator(task_id="rollback", command="rollback", product="recogniser")
    monkeypatch.setattr(operator, "work", lambda *_: pytest.fail("the registry was reached"))
    conf = {"by": "me", "reason": "worse", "expected_champoin": "4"}

    with pytest.raises(AirflowFailException, match=r"expected_champoin must be a known .* expected_champion\?"):
        operator.execute(context(conf, {}))
