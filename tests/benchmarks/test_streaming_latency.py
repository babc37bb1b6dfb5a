"""The benchmark of streaming at toy size: every encoder has its row, and what was not measured says so."""

import json

import pytest
import torch

import benchmarks.hardware
from benchmarks import streaming_latency
from evenvoice.errors import PreflightError


def measured(monkeypatch, tmp_path, *encoders: str) -> dict:
    monkeypatch.setattr(benchmarks.hardware, "RESULTS", tmp_path)
    threads = torch.get_num_threads()
    path = streaming_latency.main(["--size", "tiny", "--chunks", "4", "--encoders", *encoders])
    torch.set_num_threads(threads)
    return json.loads(path.read_text())


def test_without_onnxruntime_every_encoder_is_still_measured(monkeypatch, tmp_path):
    def missing(*_: object) -> None:
        raise PreflightError(name="export", rule="find onnxruntime", value="no onnxruntime", action="Install it.")

    monkeypatch.setattr(streaming_latency, "_onnx_step", missing)
    result = measured(monkeypatch, tmp_path, *streaming_latency.PRESETS["tiny"].encoders)
    assert [row["encoder"] for row in result["encoders"]] == list(streaming_latency.PRESETS["tiny"].encoders)
    for row in result["encoders"]:
        assert 0 < row["torch"]["p50_ms"] <= row["torch"]["p99_ms"]
        assert row["onnxruntime"].startswith("not measured: export must find onnxruntime")
        assert row["state_bytes"] > 0
    assert result["chunk_ms"] == 40.0


@pytest.mark.science
def test_onnxruntime_is_measured_beside_pytorch(monkeypatch, tmp_path):
    pytest.importorskip("onnxscript", reason="the extra `export` is not installed")
    (row,) = measured(monkeypatch, tmp_path, "contextnet")["encoders"]
    assert row["onnxruntime"]["p50_ms"] > 0
    assert row["torch_by_onnxruntime"] > 0
