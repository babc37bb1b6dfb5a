"""Anybody's model: what it is handed follows from its signature, and its answer is texts or is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.errors import ParamsError, PreflightError, TrackingError
from evenvoice.tracking import pyfunc
from evenvoice.tracking.pyfunc import Input, handed, input_of, open_pyfunc, texts_of
from evenvoice.tracking.store import Pyfunc

URI = "models:/theirs/3"
OURS = [{"type": "binary", "name": "audio", "required": False}, {"type": "string", "name": "path", "required": False},
        {"type": "array", "items": {"type": "double"}, "name": "samples", "required": False}]


def column(kind: str, name: str | None = "x", *, required: bool = True) -> dict[str, Any]:
    return {"type": kind, **({"items": {"type": "double"}} if kind == "array" else {}),
            **({"name": name} if name else {}), "required": required}


def tensor(dtype: str, *shape: int, name: str | None = None) -> dict[str, Any]:
    return {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": shape}, **({"name": name} if name else {})}


def theirs(*inputs: Mapping[str, Any]) -> Pyfunc:
    return Pyfunc(name="theirs", version=3, identity="files", inputs=inputs or None, defaults={}, metadata={})


@pytest.mark.parametrize(("inputs", "takes"), [
    ([column("string", "file")], Input(feed="paths", column="file")),
    ([column("string", None)], Input(feed="paths", column=None)),
    ([column("binary", "wav")], Input(feed="bytes", column="wav")),
    ([column("array", "wave")], Input(feed="arrays", column="wave")),
    ([tensor("float32", -1, -1)], Input(feed="arrays", column=None, shape=(-1, -1))),
    ([tensor("float64", -1, name="wave")], Input(feed="arrays", column="wave", shape=(-1,), dtype="float64")),
    ([column("string", "language", required=False), column("binary", "wav")], Input(feed="bytes", column="wav")),
    (OURS, Input(feed="bytes", column="audio"))])
def test_the_signature_says_what_a_model_is_handed(inputs, takes):
    assert input_of(theirs(*inputs), None) == takes


@pytest.mark.parametrize(("feed", "name"), [("bytes", "audio"), ("paths", "path"), ("arrays", "samples")])
def test_a_model_is_handed_what_it_is_told_to_take(feed, name):
    assert input_of(theirs(*OURS), feed) == Input(feed=feed, column=name)
    assert input_of(theirs(), feed) == Input(feed=feed, column=name)


@pytest.mark.parametrize(("inputs", "feed", "says"), [
    ([], None, "--feed for models:/theirs/3 must be one of bytes, paths, arrays, since the model has no signature"),
    ([column("string", "file")], "bytes", r"must take recordings as bytes, .* got a signature of file \(string\)"),
    ([column("long", "age")], None, r"take recordings as bytes or paths or arrays, .* got a signature of age \(long\)"),
    ([column("float", "level")], None, r"got a signature of level \(float\)"),
    ([tensor("int64", -1)], None, r"got a signature of a column \(tensor\)"),
    ([column("string", "file"), column("string", "language")], None, r"need nothing else, got a signature of file")])
def test_a_model_that_takes_no_recordings_is_refused_by_its_signature(inputs, feed, says):
    with pytest.raises(ParamsError, match=says):
        input_of(theirs(*inputs), feed)


def test_recordings_are_rows_or_one_by_one_a_tensor():
    waves = [np.zeros(3, np.float32), np.zeros(5, np.float32)]
    table = handed(waves, Input(feed="arrays", column="wave"))
    assert [len(wave) for wave in table["wave"]] == [3, 5]
    assert list(handed(["a"], Input(feed="paths", column=None)).columns) == [0]
    assert handed(waves[:1], Input(feed="arrays", column=None, shape=(-1, -1))).shape == (1, 3)
    named = handed(waves[:1], Input(feed="arrays", column="wave", shape=(-1,), dtype="float64"))
    assert named["wave"].shape == (3,)
    assert named["wave"].dtype == np.float64


@pytest.mark.parametrize("answer", [
    ["a b", ""], ("a b", ""), np.array(["a b", ""]), np.array(["a b", ""], dtype=object), pd.Series(["a b", ""]),
    pd.DataFrame({"anything": ["a b", ""]}), pd.DataFrame({"score": [1, 2], "text": ["a b", ""]}),
    [{"text": "a b", "chunks": []}, {"text": ""}], {"text": ["a b", ""]}])
def test_texts_are_taken_in_every_usual_form(answer):
    assert texts_of(answer, 2, URI) == ["a b", ""]


@pytest.mark.parametrize("answer", ["a b", {"text": "a b"}])
def test_a_single_recording_may_be_answered_by_itself(answer):
    assert texts_of(answer, 1, URI) == ["a b"]


@pytest.mark.parametrize("answer", [
    None, 3, [], ["a"], ["a", "b", "c"], ["a", None], ["a", 3], [{"words": "a"}, {"words": "b"}], "ab",
    pd.DataFrame({"score": ["a", "b"], "words": ["a", "b"]}), pd.Series([1.0, 2.0])])
def test_any_other_answer_is_refused_by_what_it_is(answer):
    with pytest.raises(TrackingError, match=rf"{URI} must answer with 2 texts, or as many dicts with 'text', got "
                                            rf"{type(answer).__name__} "):
        texts_of(answer, 2, URI)


VALUES = st.recursive(st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=5), st.binary(max_size=5)),
                      lambda below: (st.lists(below, max_size=3)
                                     | st.dictionaries(st.text(max_size=5), below, max_size=2)))


@given(VALUES, st.integers(min_value=1, max_value=3))
def test_whatever_it_answers_is_as_many_texts_or_refused(answer, count):
    try:
        texts = texts_of(answer, count, URI)
    except TrackingError:
        return
    assert len(texts) == count
    assert all(type(text) is str for text in texts)


@pytest.mark.parametrize("address", ["theirs", "models:/theirs", "models:/theirs/Production", "models:/theirs/3/4",
                                     "runs:/0123/model", "models:/a@", "models:/o'hara/1"])
def test_only_a_registered_version_has_an_address(address):
    with pytest.raises(ParamsError, match="--model must be models:/NAME/VERSION, models:/NAME@ALIAS or"):
        open_pyfunc(address, None)


def test_without_mlflow_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(pyfunc, "find_spec", lambda _: None)
    with pytest.raises(PreflightError, match=r'find the package mlflow, .* pip install "evenvoice\[control\]"'):
        open_pyfunc(URI, None)


def test_without_a_registry_none_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "EVENVOICE_HOME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ParamsError, match="MLFLOW_TRACKING_URI must name the registry of the model, got no database"):
        open_pyfunc(URI, None)
    assert not list(tmp_path.iterdir())
