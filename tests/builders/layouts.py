"""One small corpus of every layout, each whole, so that a test can break one thing of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from evenvoice.data.corpora.recording import Recording
from evenvoice.data.corpora.registry import open_corpus
from tests.builders.corpora import kaldi_corpus, params_with, speakers_corpus, write_audio, write_manifest

SPEAKERS = [f"voice{number:02d}" for number in range(8)]


def recordings_of(corpus: Path | str, layout: str = "auto", select: str = "") -> list[Recording]:
    """Everything that a corpus yields."""
    params = params_with({"ingest": {"corpus": str(corpus), "layout": layout, "select": select}})
    return list(open_corpus(params.ingest, params.synthetic, seed=1).recordings())


def kaldi(root: Path) -> Path:
    """With segments, gender and age."""
    directory = kaldi_corpus(root, {f"{speaker}-{number}": (speaker, "TURN IT UP")
                                    for speaker in SPEAKERS for number in (1, 2)})
    spans = "".join(f"{speaker}-{number} {speaker}-{number} 0.25 0.75\n" for speaker in SPEAKERS for number in (1, 2))
    (directory / "segments").write_text(spans)
    (directory / "spk2gender").write_text("".join(f"{speaker} f\n" for speaker in SPEAKERS))
    (directory / "spk2age").write_text("".join(f"{speaker} 33\n" for speaker in SPEAKERS))
    return directory


def tsv(root: Path) -> Path:
    """A manifest as TSV."""
    write_manifest(root, speakers_corpus(root))
    return root


def csv(root: Path) -> Path:
    """A manifest as CSV."""
    rows = speakers_corpus(root)
    (root / "manifest.csv").write_text("\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]) + "\n")
    return root


def json_lines(root: Path) -> Path:
    """A manifest as JSON lines."""
    rows = [{name: row[name] for name in ("path", "text", "speaker")} for row in speakers_corpus(root)]
    (root / "manifest.jsonl").write_text("".join(f"{row}\n".replace("'", '"') for row in rows))
    return root


def parquet(root: Path) -> Path:
    """A manifest as Parquet."""
    rows = [{name: row[name] for name in ("path", "text", "speaker")} for row in speakers_corpus(root)]
    pa.parquet.write_table(pa.Table.from_pylist(rows), root / "manifest.parquet")
    return root


def librispeech(root: Path) -> Path:
    """Two speakers in one subset and six in the other, with two utterances each."""
    for number in range(8):
        speaker, subset = str(number), "dev-clean" if number < 2 else "train-clean-100"
        chapter, keys = root / subset / speaker / "1", [f"{speaker}-1-{number:04d}" for number in range(2)]
        for key in keys:
            write_audio(chapter / f"{key}.flac")
        (chapter / f"{speaker}-1.trans.txt").write_text("".join(f"{key} TURN IT UP\n" for key in keys))
    (root / "SPEAKERS.TXT").write_text("; ID | SEX\n0 | F | dev-clean | 1.0 | a\n")
    return root


def common_voice(root: Path) -> Path:
    """Clips and all three split tables, and validated.tsv."""
    rows = []
    for speaker in SPEAKERS:
        write_audio(root / "clips" / f"{speaker}.mp3", kind="MP3")
        rows.append({"client_id": speaker, "path": f"{speaker}.mp3", "sentence": "turn it up"})
    for name in ("train", "dev", "test", "validated"):
        write_manifest(root, rows, f"{name}.tsv")
    return root


LAYOUTS: dict[str, Callable[[Path], Path]] = {
    "kaldi": kaldi, "tsv": tsv, "csv": csv, "jsonl": json_lines, "parquet": parquet, "librispeech": librispeech,
    "commonvoice": common_voice}
