"""Ingest in shares, cut short, and of a source that changed: always the corpus that one process makes at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from evenvoice.data.ingest import ingest, ingest_pieces
from evenvoice.data.pieces import Shard
from evenvoice.data.pseudonyms import KEY_VARIABLE
from evenvoice.errors import TooManyRejected
from evenvoice.params import Params
from evenvoice.storage import sha256
from tests.builders.corpora import REPOSITORY, kaldi_corpus, params_with, speakers_corpus, write_audio, write_manifest
from tests.builders.ingested import ingest_into, source_of

SMALL_FILES = {"shard_mb": 1}
EIGHT = [f"voice{number:02d}" for number in range(8)]


@pytest.fixture(autouse=True)
def _without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)


def rows_of(root: Path) -> list[dict[str, str]]:
    """Six recordings of each of eight speakers, of different lengths and texts."""
    rows = speakers_corpus(root, 6)
    for number, row in enumerate(rows):
        row["text"] = f"number {number}"
        write_audio(root / row["path"], 0.5 + 0.01 * number)
    return rows


def manifest(root: Path, **changes: Any) -> Params:
    write_manifest(root / "corpus", rows_of(root / "corpus"))
    return params_with({"ingest": {**SMALL_FILES, "corpus": str(root / "corpus"), **changes}})


def scattered(root: Path, **changes: Any) -> Params:
    rows = rows_of(root / "corpus")
    write_manifest(root / "corpus", rows[::2] + rows[1::2])
    return params_with({"ingest": {**SMALL_FILES, "corpus": str(root / "corpus"), **changes}})


def kaldi(root: Path) -> Params:
    directory = kaldi_corpus(root / "corpus", {f"{speaker}-{i}": (speaker, f"number {i}")
                                               for speaker in EIGHT for i in range(5)})
    return params_with({"ingest": {**SMALL_FILES, "corpus": str(directory)}})


def synthetic(_root: Path) -> Params:
    return params_with({"ingest": SMALL_FILES,
                        "synthetic": {"speakers": 14, "train_utterances": 3, "other_utterances": 2}})


def partly_refused(root: Path) -> Params:
    params = manifest(root, max_rejected=0.2)
    for name in ("voice01/2.flac", "voice06/5.flac"):
        (root / "corpus" / name).write_bytes(b"fLaC")
    return params


JOINED = {"concatenate_min": 2, "concatenate_max": 3, "concatenate_repeats": 2}
PLANT = {"plant": {"transform": "formants", "strength": 0.2, "share": 0.5, "train_share": 0.5}}
CORPORA: dict[str, Callable[[Path], Params]] = {
    "manifest": manifest, "Kaldi": kaldi, "synthetic": synthetic, "refused": partly_refused,
    "planted": lambda root: manifest(root, **PLANT), "joined": lambda root: scattered(root, **JOINED),
    "overlapping": lambda root: scattered(root, allow_speaker_overlap=True)}


def content(out: Path) -> dict[str, str]:
    return {str(path.relative_to(out)): sha256(path) for path in sorted(out.rglob("*")) if path.is_file()}


def files(out: Path) -> list[str]:
    return [digest for name, digest in content(out).items() if name.startswith("utterances/")]


@pytest.mark.parametrize("corpus", CORPORA.values(), ids=CORPORA)
def test_the_corpus_is_the_same_for_every_number_of_shares(tmp_path: Path, corpus: Callable[[Path], Params],
                                                           capsys: pytest.CaptureFixture[str]) -> None:
    params = corpus(tmp_path)
    whole = content(ingest_into(tmp_path / "whole" / "out", params))
    made = len(list((tmp_path / "whole" / "pieces" / "ingest").iterdir()))
    assert made > 3
    for count in (2, 7):
        root = tmp_path / str(count)
        for number in reversed(range(1, count + 1)):
            ingest_pieces(source_of(params, root), Shard(number, count))
        capsys.readouterr()
        assert content(ingest_into(root / "out", params)) == whole
        assert f"{made} of {made} files were made before" in capsys.readouterr().out


def test_a_share_that_is_missing_is_made_by_the_stage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    params = manifest(tmp_path)
    whole = content(ingest_into(tmp_path / "whole" / "out", params))
    ingest_pieces(source_of(params, tmp_path), Shard(1, 2))
    assert content(ingest_into(tmp_path / "out", params)) == whole
    assert "goes on after 4 files that were made before" in capsys.readouterr().out


@pytest.mark.parametrize("what", ["text", "audio"])
def test_one_changed_recording_changes_one_file(tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    params = manifest(tmp_path)
    before = files(ingest_into(tmp_path / "out", params))
    if what == "text":
        index = tmp_path / "corpus" / "manifest.tsv"
        index.write_text(index.read_text().replace("number 20\t", "another text\t"))
    else:
        write_audio(tmp_path / "corpus" / "voice03" / "2.flac", 0.9)
    capsys.readouterr()
    after = files(ingest_into(tmp_path / "out", params))

    assert len(after) == len(before) > 4
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 1
    assert f"{len(after) - 1} of {len(after)} files were made before" in capsys.readouterr().out


def test_one_more_recording_changes_the_file_that_it_is_in(tmp_path: Path) -> None:
    params = manifest(tmp_path)
    before = files(ingest_into(tmp_path / "out", params))
    index = tmp_path / "corpus" / "manifest.tsv"
    lines = index.read_text().splitlines()
    write_audio(tmp_path / "corpus" / "voice03" / "new.flac")
    lines.insert(22, "voice03/new.flac\tnew\tvoice03\t52.5\t13.4")
    index.write_text("\n".join(lines) + "\n")
    after = files(ingest_into(tmp_path / "out", params))

    assert 1 <= len(set(after) - set(before)) <= 2


def test_one_more_word_of_a_speaker_changes_the_file_of_their_strings(tmp_path: Path) -> None:
    params = manifest(tmp_path, **JOINED)
    before = files(ingest_into(tmp_path / "out", params))
    index = tmp_path / "corpus" / "manifest.tsv"
    write_audio(tmp_path / "corpus" / "voice03" / "new.flac")
    index.write_text(index.read_text() + "voice03/new.flac\tnew\tvoice03\t52.5\t13.4\n")
    after = files(ingest_into(tmp_path / "out", params))

    assert len(before) > 3
    assert 1 <= len(set(after) - set(before)) <= 2


def test_pieces_of_recordings_that_are_gone_are_removed(tmp_path: Path) -> None:
    params = manifest(tmp_path)
    out = ingest_into(tmp_path / "out", params)
    write_audio(tmp_path / "corpus" / "voice03" / "2.flac", 0.9)
    ingest_into(out, params)
    assert len(list((tmp_path / "pieces" / "ingest").iterdir())) == len(files(out))


def test_pieces_take_no_room_beside_the_corpus(tmp_path: Path) -> None:
    out = ingest_into(tmp_path / "out", manifest(tmp_path))
    assert {path.stat().st_nlink for path in (out / "utterances").iterdir()} == {2}


def test_too_many_refused_recordings_are_told_at_once_when_ingest_is_tried_again(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    params = partly_refused(tmp_path)
    strict = params.model_copy(update={"ingest": params.ingest.model_copy(update={"max_rejected": 0.0})})
    with pytest.raises(TooManyRejected, match=r"2 of 48.*recording 'voice01/2\.flac' must"):
        ingest_into(tmp_path / "out", strict)
    capsys.readouterr()
    out = ingest_into(tmp_path / "out", params)
    assert json.loads((out / "summary.json").read_text())["rejected"] == 2
    assert f"{len(files(out))} of {len(files(out))} files were made before" in capsys.readouterr().out


def test_another_secret_key_makes_every_file_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = manifest(tmp_path)
    before = files(ingest_into(tmp_path / "out", params))
    monkeypatch.setenv(KEY_VARIABLE, "one secret")
    assert set(before).isdisjoint(files(ingest_into(tmp_path / "out", params)))


def test_a_killed_ingest_goes_on_where_it_stopped(tmp_path: Path) -> None:
    params = synthetic(tmp_path).model_copy(update={"synthetic": params_with(
        {"synthetic": {"speakers": 30, "train_utterances": 3, "other_utterances": 3}}).synthetic})
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json", by_alias=True)))
    whole = content(ingest_into(tmp_path / "whole" / "out", params, seed=params.seed))
    pieces = tmp_path / "pieces" / "ingest"
    command = [sys.executable, "-m", "stages.ingest"]
    process = subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
                               stdout=subprocess.DEVNULL, start_new_session=True)
    while len(list(pieces.glob("utterances-*"))) < 3 and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "artifacts" / "corpus").exists()

    again = subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
                           capture_output=True, text=True, check=True)

    assert "ingest  goes on after " in again.stdout
    assert content(tmp_path / "artifacts" / "corpus") == whole
    assert list(pieces.glob(".draft-*")) == []


def test_ingest_and_its_shares_write_nothing_but_what_they_say(tmp_path: Path) -> None:
    params = manifest(tmp_path)
    ingest_pieces(source_of(params, tmp_path / "work"), Shard(1, 2))
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["pieces"]
    ingest(source_of(params, tmp_path / "work"), tmp_path / "work" / "out")
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["out", "pieces"]
