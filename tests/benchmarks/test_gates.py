"""The benchmark of gates: the work is as asked for, and every way is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import gates
from benchmarks.streaming_latency import untrained


@pytest.mark.parametrize("name", ["chance", "arbitrators", "one arbitrator"])
def test_gates_leave_about_as_much_work_as_was_asked_for(name: str) -> None:
    dense = untrained("transformer", "tiny")
    asked = 0.8  # at this size arbitrators and the stem are most of it
    found = gates.share(gates.gated(dense, gates.ways(dense)[name], asked))
    assert found == pytest.approx(asked, abs=0.1)


def test_every_way_is_measured_beside_the_dense_encoder(tmp_path: Path) -> None:
    written = json.loads(gates.main(["--size", "tiny", "--chunks", "2", "--batches", "1", "--executed", "0.8", "--out",
                                     str(tmp_path)]).read_text(encoding="utf-8"))
    assert [row["gates"] for row in written["rows"]] == ["chance", "arbitrators", "one arbitrator"]
    for row in written["rows"]:
        assert row["stream_times"] == pytest.approx(row["stream_ms"][0] / row["stream_ms"][1])
