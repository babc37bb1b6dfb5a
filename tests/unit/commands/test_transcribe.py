"""``evenvoice transcribe``: text on standard output, errors that say what to do."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from evenvoice.__main__ import main
from evenvoice.models.cohorts import KnownCohorts
from evenvoice.models.recogniser import Recogniser
from tests.builders.models import tiny_recogniser

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """An untrained recogniser that writes many short words."""
    recogniser = tiny_recogniser(seed=2, width=32)
    recogniser.transducer.set_normalisation(torch.full((8,), -5.0), torch.ones(8))
    with torch.no_grad():
        recogniser.transducer.joiner.output.weight *= 8
        recogniser.transducer.joiner.frame.weight *= 3
        recogniser.transducer.joiner.output.bias[2] += 4
    directory = tmp_path_factory.mktemp("model")
    recogniser.save(directory)
    return directory


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("audio") / "noise.wav"
    loudness = np.linspace(0.01, 0.5, 16000)
    soundfile.write(path, loudness * np.random.default_rng(3).uniform(-1, 1, 16000), 16000)
    return path


def said(capsys, *words: str) -> str:
    assert main(["transcribe", *words]) == 0
    return capsys.readouterr().out


def test_a_streamed_file_reads_like_the_whole(capsys, model, recording):
    whole = said(capsys, str(recording), "--model", str(model))
    assert len(whole.split()) > 3
    assert said(capsys, str(recording), "--model", str(model), "--stream") == whole
    beam = said(capsys, str(recording), "--model", str(model), "--beam", "3")
    assert said(capsys, str(recording), "--model", str(model), "--beam", "3", "--stream") == beam


def test_words_are_printed_before_the_end_is_read(model, recording):
    content = recording.read_bytes()
    command = [sys.executable, "-m", "evenvoice", "transcribe", "-", "--stream", "--model", str(model)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(content[:24000])
        first = process.stdout.read(1)  # arrives although the rest has not been sent
        rest, _ = process.communicate(content[24000:])
    assert process.returncode == 0
    command.remove("--stream")
    whole = subprocess.run(command, cwd=ROOT, input=content, capture_output=True, check=True)
    assert first + rest == whole.stdout


def test_json_holds_words_with_times_and_the_other_transcripts(capsys, model, recording):
    options = ["--model", str(model), "--beam", "3", "--nbest", "2", "--json"]
    found = json.loads(said(capsys, str(recording), *options))
    assert json.loads(said(capsys, str(recording), *options, "--stream"))["text"] == found["text"]
    assert found.keys() == {"file", "text", "words", "score", "others"}
    assert found["text"].split() == [word["text"] for word in found["words"]]
    assert found["words"][0].keys() == {"text", "start_s", "end_s", "confidence"}
    starts = [word["start_s"] for word in found["words"]]
    assert starts == sorted(starts)
    assert starts[-1] < 1.0
    assert all(0 < word["confidence"] <= 1 for word in found["words"])
    (other,) = found["others"]
    assert other["score"] < found["score"]


def test_several_files_are_told_apart(capsys, model, recording):
    lines = said(capsys, str(recording), str(recording), "--model", str(model)).splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"{recording}: ") for line in lines)


@pytest.mark.parametrize("stream", [[], ["--stream"]])
@pytest.mark.parametrize(("name", "content", "message"), [
    ("missing.wav", None, "missing.wav must be a file that can be read, got No such file or directory instead."),
    ("text.wav", b"hello", "text.wav must be readable audio, got")])
def test_a_file_that_cannot_be_read_is_named(capsys, tmp_path, model, name, content, message, stream):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert main(["transcribe", str(tmp_path / name), "--model", str(model), *stream]) == 3
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("stream", [[], ["--stream"]])
def test_a_bad_file_does_not_keep_the_others_from_being_heard(capsys, tmp_path, model, recording, stream):
    (tmp_path / "text.wav").write_bytes(b"hello")
    files = [str(recording), str(tmp_path / "text.wav"), str(recording)]
    assert main(["transcribe", *files, "--model", str(model), *stream]) == 3
    answer = capsys.readouterr()
    first, bad, second = answer.out.splitlines()
    assert first == second
    assert bad == f"{tmp_path / 'text.wav'}: "
    assert "text.wav must be readable audio" in answer.err


@pytest.mark.parametrize("options", [[], ["--stream"], ["--beam", "3"], ["--json"]])
def test_samples_that_are_not_numbers_are_refused(capsys, tmp_path, model, options):
    samples = np.random.default_rng(3).uniform(-0.5, 0.5, 16000)
    samples[8000] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    assert main(["transcribe", str(tmp_path / "a.wav"), "--model", str(model), *options]) == 3
    assert "a.wav must hold finite samples, got NaN or infinity instead" in capsys.readouterr().err


@pytest.mark.parametrize("factor", [3.0, 20000.0])
def test_samples_beyond_full_scale_read_as_those_that_fill_it(capsys, tmp_path, model, recording, factor):
    samples, rate = soundfile.read(recording, dtype="float32")
    full = samples / np.abs(samples).max()
    soundfile.write(tmp_path / "full.wav", full, rate, subtype="FLOAT")
    soundfile.write(tmp_path / "beyond.wav", full * factor, rate, subtype="FLOAT")
    expected = said(capsys, str(tmp_path / "full.wav"), "--model", str(model))
    assert said(capsys, str(tmp_path / "beyond.wav"), "--model", str(model)) == expected


@pytest.mark.parametrize("options", [["--stream"], ["--stream", "--json"]])
def test_integers_stored_as_floats_are_refused_where_the_peak_is_not_known_yet(capsys, tmp_path, model, options):
    soundfile.write(tmp_path / "a.wav", np.full(16000, 20000.0), 16000, subtype="FLOAT")
    assert main(["transcribe", str(tmp_path / "a.wav"), "--model", str(model), *options]) == 3
    assert ("a.wav must hold samples of at most 4 when streamed (full scale is 1), got 20000: integers stored as "
            "floats? instead. Transcribe it without --stream") in capsys.readouterr().err


@pytest.mark.parametrize("stream", [[], ["--stream"]])
def test_a_header_that_declares_less_than_follows_is_refused(capsys, tmp_path, model, recording, stream):
    content = recording.read_bytes()
    (tmp_path / "a.wav").write_bytes(content[:40] + (8000).to_bytes(4, "little") + content[44:])
    assert main(["transcribe", str(tmp_path / "a.wav"), "--model", str(model), *stream]) == 3
    assert "got 32000 bytes behind a header that declares 8000 bytes instead. Its header is wrong" in (
        capsys.readouterr().err)


def test_a_truncated_file_is_refused_alike_streamed_and_whole(capsys, tmp_path, model, recording):
    (tmp_path / "a.wav").write_bytes(recording.read_bytes()[:-4000])
    messages = []
    for options in ([], ["--stream"]):
        assert main(["transcribe", str(tmp_path / "a.wav"), "--model", str(model), *options]) == 3
        messages.append(capsys.readouterr().err)
    assert messages[0] == messages[1]


def test_a_reader_that_has_enough_is_no_error(model, recording):
    command = f"'{sys.executable}' -m evenvoice transcribe '{recording}' '{recording}' --model '{model}' | head -c 1"
    answer = subprocess.run(["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"], cwd=ROOT, capture_output=True,
                            check=False, text=True)
    assert answer.returncode in (0, 141)
    assert answer.stderr == ""


def heeds_interrupts():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def signal_waits(pid, number):
    """Whether a busy machine has not let any thread of the process take it yet."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    pending = next(line.split()[1] for line in status.splitlines() if line.startswith("ShdPnd:"))
    return bool(int(pending, 16) >> (number - 1) & 1)


def test_an_interrupt_ends_quietly(model, recording):
    command = [sys.executable, "-m", "evenvoice", "transcribe", "-", "--stream", "--model", str(model)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "bufsize": 0}
    # what a shell runs in the background ignores SIGINT, these tests perhaps, and so would whatever they start
    with subprocess.Popen(command, cwd=ROOT, preexec_fn=heeds_interrupts, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(recording.read_bytes()[:24000])
        process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        while signal_waits(process.pid, signal.SIGINT):
            time.sleep(0.01)
        process.stdin.close()  # libsndfile goes on waiting for a pipe that stays open
        assert process.wait() == 130
        assert process.stderr.read().strip() == b""


@pytest.mark.parametrize(("option", "message"), [
    (["--beam", "x"], "argument --beam: must be a number of at least 1, got x instead"),
    (["--beam", "0"], "argument --beam: must be a number of at least 1, got 0 instead")])
def test_a_beam_that_is_no_number_is_refused(capsys, model, recording, option, message):
    with pytest.raises(SystemExit):
        main(["transcribe", str(recording), "--model", str(model), *option])
    assert message in capsys.readouterr().err


def test_a_beam_that_would_take_all_memory_is_refused(capsys, model, recording):
    assert main(["transcribe", str(recording), "--model", str(model), "--beam", "1000000000"]) == 3
    assert "beam must be from 1 to 256, got 1000000000 instead" in capsys.readouterr().err


def test_without_a_model_it_says_how_to_get_one(capsys, tmp_path, monkeypatch, recording):
    monkeypatch.chdir(tmp_path)
    assert main(["transcribe", str(recording)]) == 3
    assert "reports/model must be the directory of a trained recogniser" in (message := capsys.readouterr().err)
    assert "Train one with `make run`" in message


def test_more_transcripts_than_the_beam_holds_are_refused(capsys, model, recording):
    assert main(["transcribe", str(recording), "--model", str(model), "--nbest", "2"]) == 3
    assert "nbest must be at least 1 and at most the beam (1), got 2 instead" in capsys.readouterr().err


def test_help_names_every_command_without_loading_a_model():
    command = [sys.executable, "-X", "importtime", "-m", "evenvoice", "--help"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    assert "transcribe" in answer.stdout
    assert "export" in answer.stdout
    assert "torch" not in answer.stderr


@pytest.fixture(scope="module")
def listener(model, tmp_path_factory) -> Path:
    """The same recogniser, which hears each of two cohorts in its own way."""
    recogniser = Recogniser.load(model).with_cohorts(KnownCohorts(method="geographic", names=("region-1", "region-2")))
    table_CS = recogniser.transducer.encoder.cohort_CS
    assert table_CS is not None
    with torch.no_grad():
        table_CS[1:] += 0.5 * torch.randn(table_CS[1:].shape, generator=torch.Generator().manual_seed(1))
    directory = tmp_path_factory.mktemp("listener")
    recogniser.save(directory)
    return directory


def test_a_model_with_a_cohort_input_is_told_the_cohort_streamed_and_whole(capsys, model, listener, recording):
    told = [said(capsys, str(recording), "--model", str(listener), "--cohort", name)
            for name in ("unknown", "region-1", "region-2")]
    assert len(set(told)) == 3
    assert said(capsys, str(recording), "--model", str(listener)) == told[0]
    assert said(capsys, str(recording), "--model", str(model)) == told[0]
    options = ["--model", str(listener), "--cohort", "region-1"]
    assert said(capsys, str(recording), *options, "--stream") == told[1]
    assert json.loads(said(capsys, str(recording), *options, "--json"))["text"] == told[1].removesuffix("\n")


def test_a_cohort_that_the_model_does_not_know_is_refused(capsys, model, listener, recording):
    for directory, message in ((listener, "cohort must be one of unknown, region-1, region-2, got region-9 instead"),
                               (model, "cohort must be left out for this model, which was trained without cohorts")):
        assert main(["transcribe", str(recording), "--model", str(directory), "--cohort", "region-9"]) == 3
        assert message in capsys.readouterr().err


def test_json_of_an_amortized_model_says_how_much_was_executed_in_a_stream_as_in_a_file(capsys, tmp_path, recording):
    tiny_recogniser(encoder="amortized-chance", seed=2).save(tmp_path)
    options = [str(recording), "--model", str(tmp_path), "--json"]
    whole, streamed = json.loads(said(capsys, *options)), json.loads(said(capsys, *options, "--stream"))
    assert whole == streamed
    assert 0.3 < whole["executed_share"] < 0.9


def test_json_of_a_model_without_gates_says_nothing_of_it(capsys, model, recording):
    assert "executed_share" not in json.loads(said(capsys, str(recording), "--model", str(model), "--json"))
