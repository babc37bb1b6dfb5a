"""`evenvoice transcribe --talkers 2`."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evenvoice.__main__ import main
from evenvoice.commands import talkers
from tests.builders.models import tiny_recogniser
from tests.builders.talkers import tiny_multitalker

RATE = 8000


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """Writes turns on both channels, whatever it hears."""
    recogniser = tiny_multitalker(width=32)
    joiner = recogniser.transducer.joiner
    joiner.output.weight.data *= 8
    joiner.frame.weight.data *= 3
    directory = tmp_path_factory.mktemp("model")
    recogniser.save(directory)
    return directory


@pytest.fixture(scope="module")
def meeting(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("audio") / "meeting.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(1).normal(size=3 * RATE), RATE)
    return path


def told(capsys, *arguments: object) -> str:
    assert main(["transcribe", "--talkers", "2", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_each_turn_is_a_line_with_start_end_channel_and_words(capsys, model, meeting):
    lines = told(capsys, meeting, "--model", model).splitlines()
    assert lines
    assert all(" s  channel " in line and " - " in line for line in lines)


def test_streamed_lines_are_the_same_turns_in_the_order_in_which_they_end(capsys, model, meeting):
    whole = told(capsys, meeting, "--model", model).splitlines()
    streamed = told(capsys, meeting, "--model", model, "--stream").splitlines()
    assert sorted(streamed) == sorted(whole)


def test_streamed_events_tell_the_words_of_each_turn_before_its_end(capsys, model, meeting):
    events = [json.loads(line) for line in told(capsys, meeting, "--model", model, "--stream", "--json").splitlines()]
    said: dict[int, list[str]] = {}
    for event in events:
        if event["event"] == "words":
            said.setdefault(event["channel"], []).append(event["text"])
        if event["event"] == "end":
            assert " ".join(said.pop(event["channel"], [])) == event.get("text", "")


@pytest.mark.parametrize("form", [name for name in talkers.FORMATS if name not in talkers.TOLD_AT_ONCE])
def test_every_other_format_is_the_same_streamed_and_whole(capsys, model, meeting, form):
    whole = told(capsys, meeting, "--model", model, "--format", form)
    assert whole
    assert told(capsys, meeting, "--model", model, "--format", form, "--stream") == whole


def test_json_is_asked_for_in_either_way(capsys, model, meeting):
    assert told(capsys, meeting, "--model", model, "--json") == told(capsys, meeting, "--model", model,
                                                                    "--format", "json")


@pytest.mark.parametrize("option", [["--beam", "4"], ["--cohort", "region-1"], ["--lat", "3"]])
def test_what_is_about_one_talker_is_refused(capsys, model, meeting, option):
    assert main(["transcribe", "--talkers", "2", str(meeting), "--model", str(model), *option]) == 3
    assert f"{option[0]} must be left out with --talkers 2" in capsys.readouterr().err


def test_a_recogniser_of_one_talker_is_refused(capsys, tmp_path, meeting):
    tiny_recogniser().save(tmp_path)
    assert main(["transcribe", "--talkers", "2", str(meeting), "--model", str(tmp_path)]) == 3
    assert "must tell talkers apart" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["transcribe"], ["export"]])
def test_a_recogniser_of_two_talkers_is_refused_where_one_is_meant(capsys, model, meeting, tmp_path, command):
    arguments = [str(meeting), "--model", str(model)] if command == ["transcribe"] else [
        str(model), "--out", str(tmp_path / "onnx")]
    assert main([*command, *arguments]) == 3
    assert "must hear one talker" in capsys.readouterr().err


def test_a_format_without_two_talkers_is_refused(capsys, model, meeting):
    assert main(["transcribe", str(meeting), "--model", str(model), "--format", "stm"]) == 3
    assert "--format must come with --talkers 2" in capsys.readouterr().err


def test_a_broken_recording_does_not_keep_the_others(capsys, model, meeting, tmp_path):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no audio")
    assert main(["transcribe", "--talkers", "2", str(broken), str(meeting), "--model", str(model)]) == 3
    out, err = capsys.readouterr()
    assert "broken.wav must be readable audio" in err
    assert "channel" in out
