"""The DAG that judges anybody's recogniser: what its form asks becomes one command, and any verdict is a result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException, ParamValidationError

from dags import judge, operators
from dags.judge import PARAMS, Asked, JudgeOperator, asked_of, command_line, folder
from dags.runs import Run
from evenvoice.errors import ParamsError

UNTOUCHED = {name: param.value for name, param in PARAMS.items()}
ROOT = Path(__file__).resolve().parents[2]


def context(**conf: Any) -> dict[str, Any]:
    return {"run_id": "manual__1", "dag_run": SimpleNamespace(conf=conf, dag_id="judge"),
            "params": {**UNTOUCHED, **conf}}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose checkout is a folder with nothing but a link to the code."""
    for name in ("EVENVOICE_RUN", "EVENVOICE_HOME", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(operators, "ROOT", tmp_path)
    (tmp_path / "evenvoice").symlink_to(ROOT / "evenvoice")
    return Run(tmp_path, "manual__1")


def table(path: Path, rates: Mapping[str, float]) -> None:
    rng = np.random.default_rng(1)
    words = [f"w{word}" for word in range(80)]
    lines = [f"{value}{number}\t{value}{number}\t{value}\t{' '.join(words)}\t"
             + " ".join(word for word in words if rng.random() > rate)
             for value, rate in rates.items() for number in range(40)]
    path.write_text("\n".join(["id\tspeaker\tgender\ttext\tpred_text", *lines]) + "\n", encoding="utf-8")


def test_the_form_asks_for_what_is_read_and_nothing_else() -> None:
    assert set(PARAMS) == set(Asked.model_fields)
    assert asked_of(UNTOUCHED, {}).record is True


@pytest.mark.parametrize(("rates", "verdict"), [({"female": 0.1, "male": 0.1}, "PASS"),
                                                ({"female": 0.22, "male": 0.08}, "FAIL")])
def test_a_table_is_judged_and_either_verdict_is_a_result(run: Run, rates: dict[str, float], verdict: str) -> None:
    table(run.root / "hyp.tsv", rates)
    task = JudgeOperator(task_id="judge")
    found = task.execute(context(hypotheses=["hyp.tsv"], record=False, settings=["evaluate.replicates=300"]))
    assert found == {"verdict": verdict, "out": str(run.root / ".evenvoice" / "judged" / "manual__1")}
    assert (Path(found["out"]) / "index.html").exists()
    assert verdict in run.log("judge").read_text(encoding="utf-8")
    events = [json.loads(line) for line in run.progress.read_text(encoding="utf-8").splitlines()]
    assert [event["state"] for event in events if "state" in event] == ["started", "done"]


def test_what_cannot_be_judged_fails_at_once_with_the_commands_own_words(run: Run) -> None:
    with pytest.raises(AirflowFailException, match=r"CorpusError: .*hyp\.tsv must be a file that can be read"):
        JudgeOperator(task_id="judge").execute(context(hypotheses=["hyp.tsv"], record=False))
    with pytest.raises(AirflowFailException, match="give HYPOTHESES, or --model and --corpus"):
        JudgeOperator(task_id="judge").execute(context(record=False))


@pytest.mark.parametrize(("status", "kind"), [(75, AirflowException), (3, AirflowFailException),
                                              (1, AirflowFailException), (70, AirflowFailException)])
def test_only_what_may_succeed_later_is_tried_again_and_a_crash_is_no_verdict(
        run: Run, monkeypatch: pytest.MonkeyPatch, status: int, kind: type[Exception]) -> None:
    (run.root / "evenvoice").unlink()
    (run.root / "evenvoice").mkdir()
    (run.root / "evenvoice" / "__main__.py").write_text(f"raise SystemExit({status})", encoding="utf-8")
    folder(run).mkdir(parents=True)
    (folder(run) / "verdict.json").write_text('{"verdict": "FAIL"}', encoding="utf-8")
    with pytest.raises(AirflowException) as failed:
        JudgeOperator(task_id="judge").execute(context(hypotheses=["hyp.tsv"]))
    assert type(failed.value) is kind


def test_what_the_form_says_becomes_the_command_line(tmp_path: Path) -> None:
    asked = asked_of({**UNTOUCHED, "hypotheses": ["a/text", "/b/text"], "references": "text",
                      "by": ["gender", "device"], "settings": ["gate.max_gap=0.3", "-x"], "unit": "word",
                      "embeddings": "voices.parquet"}, {})
    assert command_line(asked, Path("/checkout"), tmp_path) == [
        "--references=/checkout/text", "--embeddings=/checkout/voices.parquet", "--by=gender,device",
        "--normaliser=evenvoice", "--unit=word", "--set=gate.max_gap=0.3", "--set=-x", f"--out={tmp_path}",
        "/checkout/a/text", "/b/text", "--record"]
    asked = asked_of({**UNTOUCHED, "model": ["models:/a/1", "models:/b@c"], "corpus": "s3://speech/test",
                      "time_limit": 3600, "feed": "paths", "record": False}, {})
    assert command_line(asked, Path("/checkout"), tmp_path) == [
        "--corpus=s3://speech/test", "--feed=paths", "--time-limit=3600", "--normaliser=evenvoice",
        "--model=models:/a/1", "--model=models:/b@c", f"--out={tmp_path}"]


@pytest.mark.parametrize(("conf", "words"), [
    ({"hypothesis": ["a.tsv"]}, "hypothesis must be a known name, got ['a.tsv'] instead. Correct hypothesis in the "
                                "conf of this DAG run. Did you mean hypotheses?"),
    ({"hypotheses": "a.tsv"}, "hypotheses must be"), ({"record": "no"}, "record must be true or false"),
    ({"unit": "phone"}, "unit must be '', 'word' or 'character'"), ({"demand": "FAIL"}, "demand must be '' or 'PASS'"),
    ({"time_limit": "long"}, "time_limit must be a valid number"), ({"speakers": None}, "speakers must be a text")])
def test_a_slip_in_the_conf_is_refused_before_anything_runs(run: Run, conf: dict[str, Any], words: str) -> None:
    with pytest.raises(AirflowFailException) as refused:
        JudgeOperator(task_id="judge").execute(context(**conf))
    assert str(refused.value).startswith(f"ParamsError: the conf of this DAG run: {words}")
    assert not run.log("judge").exists()
    with pytest.raises(ParamsError):
        asked_of(UNTOUCHED, {"hypothesis": []})


@pytest.mark.parametrize("conf", [{"hypotheses": "a.tsv"}, {"unit": "phone"}, {"time_limit": -1}, {"normaliser": ""}])
def test_airflow_refuses_in_the_form_what_is_out_of_range(conf: dict[str, Any]) -> None:
    params = ParamsDict(PARAMS)
    params.validate()
    with pytest.raises(ParamValidationError, match=next(iter(conf))):
        params.update(conf)


@pytest.mark.parametrize(("wanted", "verdict", "ends"), [
    ("", "FAIL", AirflowSkipException), ("PASS", "PASS", None), ("PASS", "INSUFFICIENT", AirflowFailException),
    ("PASS", "FAIL", AirflowFailException)])
def test_a_run_is_red_only_where_another_verdict_was_demanded(wanted: str, verdict: str,
                                                             ends: type[Exception] | None) -> None:
    judged = {"judge": {"verdict": verdict, "out": "judged"}}
    ti = SimpleNamespace(xcom_pull=lambda task_ids: judged[task_ids])
    call = {"params": {**UNTOUCHED, "demand": wanted}, "ti": ti}
    if ends is None:
        judge.demand.function(**call)
        return
    with pytest.raises(ends, match=verdict if wanted else "any verdict is a result"):
        judge.demand.function(**call)
