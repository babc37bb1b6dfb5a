"""Who gets the computation: shares by speaker, and the claim that harder speech is given more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evenvoice.errors import ArtifactError
from evenvoice.saving.shares import Worked, harder_gets_more, read_worked
from tests.builders.tables import Made, made_split, write_work

SPEAKERS = 40
WORDS = np.full(SPEAKERS, 100)


def worked(shares: np.ndarray) -> Worked:
    return Worked(1000 * shares, np.full(len(shares), 1000.0))


def claim(shares: np.ndarray, errors: np.ndarray, seed: int = 1):
    return harder_gets_more(worked(shares), errors, WORDS, np.random.default_rng(seed))


def test_the_claim_holds_where_speakers_with_more_errors_get_more() -> None:
    found = claim(np.linspace(0.3, 0.6, SPEAKERS), np.arange(SPEAKERS))
    assert found.correlation == pytest.approx(1.0)
    assert found.p < 0.001


def test_the_claim_does_not_hold_where_they_get_less() -> None:
    found = claim(np.linspace(0.6, 0.3, SPEAKERS), np.arange(SPEAKERS))
    assert found.correlation == pytest.approx(-1.0)
    assert found.p > 0.99


def test_chance_supports_the_claim_no_more_often_than_its_p_says() -> None:
    rng = np.random.default_rng(5)
    found = [claim(rng.random(SPEAKERS), rng.integers(0, 20, SPEAKERS), seed).p for seed in range(100)]
    assert sum(p < 0.05 for p in found) <= 12


def test_a_gate_that_gives_everyone_the_same_supports_nothing() -> None:
    found = claim(np.full(SPEAKERS, 0.4), np.arange(SPEAKERS))
    assert (found.correlation, found.p) == (0.0, 1.0)


def test_few_speakers_are_no_evidence() -> None:
    assert harder_gets_more(worked(np.linspace(0.1, 0.9, 9)), np.arange(9), np.full(9, 100),
                            np.random.default_rng(1)) is None


def test_shares_weigh_speakers_by_their_speech(tmp_path: Path) -> None:
    split = made_split({"north": Made(1, 0.1), "south": Made(1, 0.1)})
    write_work(tmp_path, "amortized", [("test", "s00000", "a", 0.2), ("test", "s00000", "b", 0.4),
                                       ("test", "s00001", "c", 0.9), ("validate", "s00000", "d", 1.0)])
    found = read_worked(tmp_path / "amortized" / "work.parquet", split)
    np.testing.assert_allclose(found.shares, [0.3, 0.9])
    assert found.share(split.everyone) == pytest.approx(0.5)
    assert found.share(split.members("geographic", "north")) == pytest.approx(0.3)
    assert found.share(~split.everyone) is None


def test_work_of_other_speakers_is_refused(tmp_path: Path) -> None:
    write_work(tmp_path, "amortized", [("test", "somebody", "a", 0.2)])
    with pytest.raises(ArtifactError, match="be about the speakers of test"):
        read_worked(tmp_path / "amortized" / "work.parquet", made_split({"north": Made(1, 0.1)}))
