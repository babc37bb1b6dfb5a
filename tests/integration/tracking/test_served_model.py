"""The registered model transcribes whatever it is given, and refuses what it cannot."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evenvoice.data.audio import Waveform, encode_flac
from evenvoice.decoding.stream import Stream, recognise
from evenvoice.errors import ArtifactError, ParamsError
from evenvoice.models.cohorts import KnownCohorts
from evenvoice.storage import write_json
from evenvoice.tracking import manifest
from evenvoice.tracking.recogniser import REQUIREMENTS
from evenvoice.tracking.served_audio import waveform_of
from tests.builders.models import tiny_recogniser
from tests.builders.registry import World, flip_last_byte, loaded_elsewhere, weights_of

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # MLflow and SQLAlchemy warn about each other
]


TONE = Waveform(samples=(0.1 * np.sin(np.arange(8000) / 5)).astype(np.float32), rate=8000)


def test_the_served_model_transcribes_bytes_paths_and_samples_alike(world: World, tmp_path: Path) -> None:
    import mlflow.pyfunc

    world.registered("run-1")
    model = mlflow.pyfunc.load_model("models:/evenvoice-asr@challenger")
    flac = encode_flac(TONE)
    (tmp_path / "tone.flac").write_bytes(flac)
    from_bytes = model.predict(pd.DataFrame({"audio": [flac, flac]}))["text"].tolist()
    from_path = model.predict({"path": str(tmp_path / "tone.flac")})["text"].tolist()
    samples = pd.DataFrame({"samples": [TONE.samples]})
    from_samples = model.predict(samples, params={"sample_rate": 8000})["text"].tolist()
    assert from_bytes == [from_path[0], from_path[0]] == [from_samples[0], from_samples[0]]
    from evenvoice.models.recogniser import Recogniser

    direct = Recogniser.load(world.models[0])
    assert from_samples == [recognise(direct, TONE.samples, 8000)[0].text]


def test_an_amortized_model_is_served_as_it_streams(tmp_path: Path, database: Path) -> None:
    import mlflow.pyfunc

    gated = tiny_recogniser(encoder="amortized-chance", width=32)
    gated.transducer.joiner.output.weight.data *= 20
    gated.save(tmp_path / "model")
    world = World(tmp_path, database, (tmp_path / "model", tmp_path / "model"))
    world.registered("run-1")
    model = mlflow.pyfunc.load_model("models:/evenvoice-asr@challenger")
    served = model.predict(pd.DataFrame({"samples": [TONE.samples]}), params={"sample_rate": 8000})["text"][0]
    stream = Stream(gated, 8000)
    for start in range(0, len(TONE.samples), 700):
        stream.feed(TONE.samples[start:start + 700])
    assert served == stream.finish()[0].text != ""
    assert 0 < stream.executed_share < 1
    assert "evenvoice.cost/macs_per_audio_s" in world.store.version(1).tags


def test_a_model_with_a_cohort_input_is_told_the_cohort_of_a_call(tmp_path: Path) -> None:
    from mlflow.pyfunc.model import PythonModelContext

    from evenvoice.tracking.served_model import ServedRecogniser

    told = tiny_recogniser(width=32).with_cohorts(KnownCohorts(method="geographic", names=("north",)))
    assert told.transducer.encoder.cohort_CS is not None
    told.transducer.encoder.cohort_CS.data[1] = 5.0
    told.transducer.joiner.output.weight.data *= 20
    told.save(tmp_path / "model")
    write_json(tmp_path / "verdict.json", {})
    manifest.collect(tmp_path / "model", tmp_path / "verdict.json", tmp_path / "served")
    served = ServedRecogniser()
    served.load_context(PythonModelContext({"recogniser": str(tmp_path / "served")}, {"max_duration_s": 30.0}))
    row = pd.DataFrame({"samples": [TONE.samples]})

    def heard(**params: object) -> str:
        return str(served.predict(None, row, {"sample_rate": 8000, **params})["text"][0])

    assert heard(cohort="north") == recognise(told, TONE.samples, 8000, cohort="north")[0].text
    assert heard() == heard(cohort="unknown") != heard(cohort="north")
    with pytest.raises(ParamsError, match="cohort must be one of unknown, north, got south instead"):
        heard(cohort="south")


def test_a_registered_model_without_a_cohort_input_refuses_to_be_told_one(world: World) -> None:
    import mlflow.pyfunc

    world.registered("run-1")
    model = mlflow.pyfunc.load_model("models:/evenvoice-asr@challenger")
    row = pd.DataFrame({"samples": [TONE.samples]})
    assert model.predict(row, params={"cohort": "unknown"})["text"].tolist()
    with pytest.raises(ParamsError, match="cohort must be left out for this model"):
        model.predict(row, params={"cohort": "north"})


@pytest.mark.parametrize("factor", [20.0, 200_000.0])
def test_the_served_model_hears_samples_beyond_full_scale_as_those_that_fill_it(world: World, factor: float) -> None:
    import mlflow.pyfunc
    import soundfile

    world.registered("run-1")
    model = mlflow.pyfunc.load_model("models:/evenvoice-asr@challenger")
    full = TONE.samples / np.abs(TONE.samples).max()
    wav = io.BytesIO()
    soundfile.write(wav, factor * TONE.samples, 8000, format="WAV", subtype="FLOAT")
    for row in ({"samples": factor * TONE.samples}, {"audio": wav.getvalue()}):
        waveform = waveform_of(row, "recording 1", rate=8000, max_duration_s=30.0)
        np.testing.assert_allclose(waveform.samples, full, atol=1e-6)
    heard = [model.predict(pd.DataFrame({"samples": [samples]}), params={"sample_rate": 8000})["text"].tolist()
             for samples in (factor * TONE.samples, full)]
    assert heard[0] == heard[1]


@pytest.mark.parametrize(("row", "message"), [
    ({"audio": b"not audio"}, "recording 1 must be readable audio"),
    ({"path": "/no/such.wav"}, r"/no/such\.wav must be a file"),
    ({"samples": [float("nan")] * 800}, "recording 1 must hold finite samples"),
    ({"path": "a.wav", "audio": b"x"}, "recording 1 must fill exactly one"),
])
def test_the_served_model_refuses_bad_input_by_name(world: World, row: dict[str, object], message: str) -> None:
    import mlflow.pyfunc

    world.registered("run-1")
    model = mlflow.pyfunc.load_model("models:/evenvoice-asr/1")
    with pytest.raises(Exception, match=message):
        model.predict(pd.DataFrame([row]))


def test_a_flipped_byte_in_the_weights_is_refused_when_the_model_is_loaded(world: World) -> None:
    import mlflow.pyfunc

    world.registered("run-1")
    flip_last_byte(weights_of(world))
    with pytest.raises(ArtifactError, match=r"model\.safetensors must have SHA-256"):
        mlflow.pyfunc.load_model("models:/evenvoice-asr/1")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def invoke(port: int, row: dict[str, object]) -> tuple[int, str]:
    """Status and body of a served model's answer to one row."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/invocations",
                                     headers={"Content-Type": "application/json"},
                                     data=json.dumps({"dataframe_records": [row]}).encode())
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        assert server.poll() is None
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5):
            return
        time.sleep(0.1)
    raise AssertionError("the server did not come up")


def test_behind_http_base64_is_transcribed_and_a_path_is_refused(world: World, tmp_path: Path) -> None:
    world.registered("run-1")
    flac = encode_flac(TONE)
    (tmp_path / "tone.flac").write_bytes(flac)
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/evenvoice-asr@challenger", "--port",
               str(port), "--env-manager", "local"]
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          env={**os.environ, "MLFLOW_TRACKING_URI": world.location.tracking_uri,
                               "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}) as server:
        try:
            wait_for(port, server)
            status, body = invoke(port, {"audio": base64.b64encode(flac).decode()})
            assert status == 200
            assert list(json.loads(body)["predictions"][0]) == ["text"]
            status, body = invoke(port, {"path": str(tmp_path / "tone.flac")})
            assert status >= 400
            assert "must not be a path when sent to a server" in body
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)


def test_the_model_loads_where_evenvoice_is_not_installed(world: World, tmp_path: Path) -> None:
    world.registered("run-1")
    columns, imported, package = loaded_elsewhere(world, "models:/evenvoice-asr/1", encode_flac(TONE), tmp_path)
    assert columns == ["text"]
    assert imported <= set(REQUIREMENTS)
    assert str(world.location.home) in package
