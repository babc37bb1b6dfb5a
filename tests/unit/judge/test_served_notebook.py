"""What a model wrote is on disk batch by batch, and whatever a crash leaves of it is gone on with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.errors import WorkspaceError
from evenvoice.judge.served_notebook import notebook

ABOUT = {"model": "models:/theirs/1", "sha256": "00"}
TEXTS = {"a": "one two", "b": "", "c": "über\n\u2028drei"}


def test_what_was_added_is_there_again(tmp_path):
    for number, (key, text) in enumerate(TEXTS.items()):
        with notebook(tmp_path, "theirs/1", ABOUT) as notes:
            assert len(notes.texts) == number
            notes.add({key: text})
    with notebook(tmp_path, "theirs/1", ABOUT) as notes:
        assert notes.texts == TEXTS
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("other", [{"model": "models:/theirs/2"}, {"sha256": "01"}])
def test_another_model_or_corpus_starts_anew_and_takes_nothing_from_the_first(tmp_path, other):
    with notebook(tmp_path, "theirs", ABOUT) as notes:
        notes.add(TEXTS)
    with notebook(tmp_path, "theirs", ABOUT | other) as notes:
        assert notes.texts == {}
    with notebook(tmp_path, "theirs", ABOUT) as notes:
        assert notes.texts == TEXTS


def test_two_cannot_write_in_it_at_once(tmp_path):
    with notebook(tmp_path, "theirs", ABOUT), pytest.raises(WorkspaceError, match="must be held by nobody else"), \
            notebook(tmp_path, "theirs", ABOUT):
        pass


@given(st.integers(min_value=0), st.binary(max_size=40))
def test_whatever_a_crash_leaves_is_a_beginning_of_it(tmp_path_factory, cut, garbage):
    folder = tmp_path_factory.mktemp("notes")
    with notebook(folder, "theirs", ABOUT) as notes:
        notes.add(TEXTS)
    [path] = folder.iterdir()
    content = path.read_bytes()
    path.write_bytes(content[:cut % (len(content) + 1)] + garbage.replace(b"\n", b""))
    with notebook(folder, "theirs", ABOUT) as notes:
        assert list(notes.texts.items()) == list(TEXTS.items())[:len(notes.texts)]
        notes.add(TEXTS)
    with notebook(folder, "theirs", ABOUT) as notes:
        assert notes.texts == TEXTS
