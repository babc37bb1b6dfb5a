"""Lists of trials that somebody else wrote."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenvoice.errors import CorpusError
from evenvoice.verification.trial_list import ListedTrial, read_trial_list


def written(tmp_path, text: str | bytes):
    path = tmp_path / "list.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_line_is_a_label_and_two_names(tmp_path):
    assert read_trial_list(written(tmp_path, "1 a/1.wav a/2.wav\n\n0 a/1.wav b/1.wav\r\n")) == [
        ListedTrial("a/1.wav", "a/2.wav", True), ListedTrial("a/1.wav", "b/1.wav", False)]


@pytest.mark.parametrize(("text", "said"), [
    ("1 a.wav b.wav\n2 a.wav b.wav\n", "line 2 must be 1 or 0 and two recordings"),
    ("1 a.wav\n", "line 1 must be 1 or 0 and two recordings"),
    ("1 a.wav b.wav c.wav\n", "line 1 must be 1 or 0 and two recordings"),
    ("", "must hold a trial, got none"),
    ("\n \n", "must hold a trial, got none"),
    (b"1 \xff.wav b.wav\n", "must be a list of trials in UTF-8"),
])
def test_what_is_no_list_says_where(tmp_path, text, said):
    with pytest.raises(CorpusError, match=said):
        read_trial_list(written(tmp_path, text))


def test_a_list_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CorpusError, match=r"none\.txt must be a list of trials"):
        read_trial_list(tmp_path / "none.txt")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_list_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("lists") / "list.txt"
    path.write_bytes(content)
    with suppress(CorpusError):
        assert read_trial_list(path)
