"""evenvoice verify, on a small untrained verifier and tones."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from evenvoice.__main__ import main
from evenvoice.params import load_params
from evenvoice.speakers.encoder import SpeakerEncoder, SpeakerEncoderConfig
from evenvoice.storage import write_json

RATE = 16_000


@pytest.fixture
def model(tmp_path) -> Path:
    """A verifier whose calibration takes any likeness above one half for one speaker."""
    torch.manual_seed(0)
    featurize = load_params().featurize
    folder = tmp_path / "verifier"
    folder.mkdir()
    config = SpeakerEncoderConfig(encoder="conv", n_mels=featurize.n_mels, width=16, embedding=8)
    SpeakerEncoder(config, np.full(featurize.n_mels, -8, np.float32), np.full(featurize.n_mels, 3, np.float32)
                   ).save(folder)
    write_json(folder / "hearing.json", {"sample_rate": RATE, "featurize": featurize.model_dump()})
    write_json(folder / "calibration.json", {"scale": 10.0, "offset": -5.0, "target_prior": 0.5})
    return folder


def tone(path: Path, hz: float, rate: int = RATE, seconds: float = 0.5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(int(rate * seconds)) / rate
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * hz * times) + 0.01 * np.sin(7 * np.pi * hz * times), rate)
    return path


def said(capsys) -> str:
    return capsys.readouterr().err


def test_a_recording_is_of_the_speaker_of_itself(model, tmp_path, capsys):
    one = tone(tmp_path / "a.wav", 300)
    assert main(["verify", str(one), str(one), "--model", str(model)]) == 0
    assert capsys.readouterr().out == "same speaker  log-likelihood ratio 5.00, threshold 0.00\n"


def test_json_has_the_ratio_the_decision_and_no_embedding(model, tmp_path, capsys):
    one, other = tone(tmp_path / "a.wav", 300), tone(tmp_path / "b.wav", 3000)
    assert main(["verify", str(one), str(other), "--model", str(model), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert set(content) == {"llr", "same", "threshold"}
    assert content["same"] == (content["llr"] >= 0)


def test_the_order_of_two_recordings_does_not_matter(model, tmp_path, capsys):
    files = [str(tone(tmp_path / name, hz)) for name, hz in (("a.wav", 300), ("b.wav", 900))]
    answers = []
    for pair in (files, files[::-1]):
        main(["verify", *pair, "--model", str(model), "--json"])
        answers.append(json.loads(capsys.readouterr().out)["llr"])
    assert answers[0] == pytest.approx(answers[1])


def test_a_list_has_a_score_for_every_trial_and_figures(model, tmp_path, capsys):
    for name, hz in (("a/1.wav", 300), ("a/2.wav", 310), ("b/1.wav", 4000)):
        tone(tmp_path / "audio" / name, hz)
    listed = tmp_path / "list.txt"
    listed.write_text("1 a/1.wav a/2.wav\n0 a/1.wav b/1.wav\n0 a/2.wav b/1.wav\n")
    command = ["verify", "--trials", str(listed), "--audio", str(tmp_path / "audio"), "--model", str(model)]
    assert main([*command, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert [row["same_speaker"] for row in content["trials"]] == [True, False, False]
    assert content["trials"][0]["llr"] > content["trials"][1]["llr"]
    assert content["eer"] == 0.0
    assert set(content) >= {"min_dcf_0.01", "min_dcf_0.05", "cllr", "miss", "false_alarm", "threshold"}
    assert main(command) == 0
    assert "eer 0.0000" in capsys.readouterr().out


def test_a_list_of_one_kind_has_no_equal_error_rate(model, tmp_path, capsys):
    tone(tmp_path / "a.wav", 300)
    (tmp_path / "list.txt").write_text("1 a.wav a.wav\n")
    assert main(["verify", "--trials", str(tmp_path / "list.txt"), "--model", str(model), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["eer"], content["false_alarm"], content["miss"]) == (None, None, 0.0)


def test_two_sampling_rates_are_refused_by_name(model, tmp_path, capsys):
    one, other = tone(tmp_path / "a.wav", 300), tone(tmp_path / "b.wav", 300, rate=8000)
    assert main(["verify", str(one), str(other), "--model", str(model)]) == 3
    assert "a.wav and " in (message := said(capsys))
    assert "must have one sampling rate, got 16000 and 8000 Hz" in message


@pytest.mark.parametrize("name", ["missing.wav", "../outside.wav"])
def test_a_trial_of_a_file_that_is_not_in_the_folder_is_refused_by_name(model, tmp_path, capsys, name):
    tone(tmp_path / "audio" / "a.wav", 300)
    tone(tmp_path / "outside.wav", 300)
    (tmp_path / "list.txt").write_text(f"1 a.wav {name}\n")
    assert main(["verify", "--trials", str(tmp_path / "list.txt"), "--audio", str(tmp_path / "audio"), "--model",
                 str(model)]) == 3
    assert f"{name} of {tmp_path / 'list.txt'} must be a recording in {tmp_path / 'audio'}" in said(capsys)


@pytest.mark.parametrize(("files", "problem"), [(["a.wav"], "FILE must be two recordings, got 1"),
                                                ([], "FILE must be two recordings, got 0")])
def test_two_recordings_are_needed(model, files, problem, capsys):
    assert main(["verify", *files, "--model", str(model)]) == 3
    assert problem in said(capsys)


def test_a_recording_that_is_not_there_is_named(model, tmp_path, capsys):
    one = tone(tmp_path / "a.wav", 300)
    assert main(["verify", str(one), str(tmp_path / "gone.wav"), "--model", str(model)]) == 3
    assert "gone.wav must" in said(capsys)


def test_an_altered_verifier_is_refused(model, tmp_path, capsys):
    weights = model / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    one = tone(tmp_path / "a.wav", 300)
    assert main(["verify", str(one), str(one), "--model", str(model)]) == 3
    assert "model.safetensors must have SHA-256" in said(capsys)


def test_without_a_verifier_the_command_that_makes_one_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    one = tone(tmp_path / "a.wav", 300)
    assert main(["verify", str(one), str(one)]) == 3
    assert "Train one with `make run DAG=train_verifier`" in said(capsys)
