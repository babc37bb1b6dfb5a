"""Names that tell nobody who spoke."""

from __future__ import annotations

import pytest

from evenvoice.data.pseudonyms import KEY_VARIABLE, from_environment


def test_one_key_gives_one_name_and_another_key_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "one secret")
    first, again = from_environment(1, people=True), from_environment(2, people=True)
    monkeypatch.setenv(KEY_VARIABLE, "another secret")
    other = from_environment(1, people=True)
    assert first.source == "environment"
    assert first.speaker("voice01") == again.speaker("voice01") != other.speaker("voice01")
    assert first.commitment() != other.commitment()


def test_without_a_secret_the_seed_is_the_key_and_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    one, two = from_environment(1, people=True), from_environment(2, people=True)
    assert one.source == "seed"
    assert one.speaker("voice01") != two.speaker("voice01")


def test_generated_voices_do_not_depend_on_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "one secret")
    assert from_environment(1, people=False).source == "seed"


def test_a_name_is_not_readable_in_its_pseudonym(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "one secret")
    names = from_environment(1, people=True)
    assert "voice" not in names.speaker("voice01") + names.utterance("voice01/1.flac")
    assert names.speaker("x")[1:] != names.utterance("x")[1:17]
