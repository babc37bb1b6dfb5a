"""The benchmark of savings: controls do as much work as the model beside them, and a whole benchmark at toy size."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

from benchmarks import amortized
from benchmarks.saving import plan
from benchmarks.saving.plan import MATCHED_TO, Trial, matched, sweep
from benchmarks.saving.trial import chance_rates, executed, kept_rates, narrower, used
from evenvoice.models import build_encoder
from evenvoice.models.shapes import Architecture, Chance, TransformerShape
from tests.builders.models import spoken, tiny_recogniser

RECORDINGS = [spoken(text) for text in ("yes no", "no yes no", "one two")]
SHAPE = Architecture(encoder=TransformerShape(width=120, blocks=3), stack=4, lookahead=0, predictor_width=16,
                     joiner_width=16, dropout=0.0, n_mels=64, vocabulary=32)
TOY = {"synthetic": {"speakers": 48, "train_utterances": 3, "other_utterances": 3},
       "train": {"size": "tiny", "steps": 3, "batch_s": 20.0}, "amortize": {"steps": 3}}


@pytest.mark.parametrize("share", [0.7, 0.4])
def test_a_narrower_model_does_about_that_share_of_the_work(share: float) -> None:
    def macs(shape: Architecture) -> int:
        return build_encoder(shape).macs_per_frame

    assert macs(narrower(SHAPE, share)) / macs(SHAPE) == pytest.approx(share, abs=0.05)


def test_random_gates_do_as_much_work_as_the_model_they_stand_beside() -> None:
    base, model = tiny_recogniser(encoder="transformer"), tiny_recogniser(encoder="amortized-chance", seed=3)
    rates = chance_rates(base, model, RECORDINGS)
    assert len(set(rates)) == 1
    assert executed(base.with_gates(Chance(rates=rates), seed=1), RECORDINGS) == pytest.approx(
        executed(model, RECORDINGS), abs=0.05)


def test_the_sub_blocks_that_are_used_least_are_removed_first() -> None:
    base, model = tiny_recogniser(encoder="transformer"), tiny_recogniser(encoder="amortized-chance", seed=3)
    rates, shares = kept_rates(base, model, RECORDINGS), used(model, RECORDINGS)
    assert set(rates) <= {0.0, 1.0}
    kept, removed = ([share for share, rate in zip(shares, rates, strict=True) if rate == on] for on in (1.0, 0.0))
    assert not removed or not kept or min(kept) >= max(removed)


def test_every_target_has_random_gates_and_removed_sub_blocks_beside_it() -> None:
    assert {trial.way for trial in matched(1)} == {"chance", "removed"}
    assert {(trial.way, trial.amount) for trial in matched(1)} >= {("chance", target) for target in MATCHED_TO}
    assert sweep(2)[0] == Trial("dense", 1.0, 2)


@pytest.mark.science
def test_a_toy_benchmark_goes_from_a_corpus_to_a_table_a_figure_and_a_result(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("benchmarks.hardware.RESULTS", tmp_path / "results")
    for name in ("TARGETS", "MATCHED_TO", "NARROWER", "WINDOWS"):
        monkeypatch.setattr(plan, name, (0.5,))
    monkeypatch.setattr(sys, "argv", [
        "amortized", "--seeds", "1", "--work", str(tmp_path / "work"), "--figure", str(tmp_path / "figure.svg"),
        "--values", yaml.safe_dump(TOY)])
    amortized.main()
    result = json.loads(next((tmp_path / "results").glob("*-amortized.json")).read_text(encoding="utf-8"))
    shares = {line["arm"]: line["share"] for line in result["lines"]}
    assert shares["dense"] == 1.0
    assert len(shares) == len(sweep(1)) + len(matched(1))
    assert all(line["stream"]["ratio"] > 0 for line in result["lines"] if line["arm"] != "dense")
    assert capsys.readouterr().out.count("\n| ") >= len(shares)
    assert (tmp_path / "figure.svg").read_text(encoding="utf-8").startswith("<svg")
