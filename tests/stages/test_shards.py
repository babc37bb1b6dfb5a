"""Stages in shards: bit for bit the same outputs as in one piece, whatever was prepared, lost or damaged before."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from evenvoice.data.schemas import FEATURES
from evenvoice.origins import write_contents
from evenvoice.params import Params, load_params
from evenvoice.storage import sha256, write_json
from stages import featurize, paths, transcribe
from tests.builders.features import Said, write_corpus
from tests.builders.ipc import write_rows
from tests.builders.models import MELS, TEXTS, feature_rows, tiny_recogniser

SPLITS = ("train", "discover", "validate", "test", "train", "test")
Work = Callable[..., None]


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Three files of two recordings each, as speech and as features, and a model."""
    params = load_params()
    monkeypatch.chdir(tmp_path)
    said = [Said(f"u{i}", split=split, seconds=0.3 + 0.1 * i, hertz=200 * (i + 1)) for i, split in enumerate(SPLITS)]
    utterances = paths.CORPUS / "utterances"
    for number in range(3):
        write_corpus(Path("one"), said[2 * number:2 * number + 2])
        utterances.mkdir(parents=True, exist_ok=True)
        Path("one/utterances/utterances-00000.parquet").rename(utterances / f"utterances-{number:05d}.parquet")
        shutil.rmtree("one")
    tiny_recogniser().save(paths.MODELS / "base")
    return params


def store_of_three_files() -> None:
    paths.FEATURES.mkdir(parents=True)
    rows = feature_rows(TEXTS, SPLITS)
    for number in range(3):
        two = rows[2 * number:2 * number + 2]
        write_rows(paths.FEATURES, f"features-{number:05d}", FEATURES, two)
    write_json(paths.FEATURES / "statistics.json", {"mean": [0.0] * MELS, "std": [1.0] * MELS})
    write_contents(paths.FEATURES)


def featurizing(params: Params) -> tuple[Work, Path, Path]:
    return lambda **shard: featurize.main(params, **shard), paths.FEATURES, paths.PIECES / "featurize"


def transcribing(params: Params) -> tuple[Work, Path, Path]:
    store_of_three_files()
    return (lambda **shard: transcribe.main(params, "base", **shard), paths.HYPOTHESES / "base",
            paths.PIECES / "transcribe-base")


def hashes(directory: Path) -> dict[str, str]:
    return {file.name: sha256(file) for file in directory.iterdir()}


both = pytest.mark.parametrize("stage", [featurizing, transcribing])


@both
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_any_number_of_shards_gives_the_same_bytes_as_none(params, stage, count, monkeypatch):
    work, out, pieces = stage(params)
    work()
    expected = hashes(out)
    shutil.rmtree(out)

    for number in range(1, count + 1):
        work(shard=f"{number}/{count}")
    assert not out.exists(), "a shard writes pieces only"
    assert len(list(pieces.iterdir())) == 3
    refuse_to_compute(monkeypatch)
    work()

    assert hashes(out) == expected
    assert not pieces.exists()


def refuse_to_compute(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("everything was prepared")

    monkeypatch.setattr("evenvoice.data.extraction._extract_shard", refuse)
    monkeypatch.setattr("evenvoice.decoding.hypotheses.transcribe_recordings", refuse)


@both
def test_a_lost_and_a_damaged_piece_are_made_up_for(params, stage, capsys):
    work, out, pieces = stage(params)
    work()
    expected = hashes(out)
    for number in (1, 2, 3):
        work(shard=f"{number}/3")
    lost, damaged, _ = sorted(pieces.iterdir())
    shutil.rmtree(lost)
    largest = max(damaged.iterdir(), key=lambda file: file.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)

    work()

    assert hashes(out) == expected
    assert "is not what was written" in capsys.readouterr().out


@both
def test_a_shard_that_is_tried_again_keeps_what_is_done(params, stage, monkeypatch):
    work, _, pieces = stage(params)
    work(shard="1/1")
    before = {piece: piece.stat().st_ino for piece in pieces.iterdir()}

    refuse_to_compute(monkeypatch)
    work(shard="1/1")

    assert {piece: piece.stat().st_ino for piece in pieces.iterdir()} == before


def test_pieces_of_another_model_are_passed_over(params):
    work, out, _ = transcribing(params)
    work()
    first = hashes(out)
    work(shard="1/1")
    tiny_recogniser(seed=2).save(paths.MODELS / "base")

    work()

    assert hashes(out) != first
