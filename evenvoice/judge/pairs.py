"""References and hypotheses in a file each, by utterance: Kaldi's ``text`` and sclite's ``trn``.

    text    utt-1 what was said
    trn     what was said (speaker_utt-1)

An id of ``trn`` begins with the speaker, up to the first ``-`` or ``_``, as sclite takes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from evenvoice.data.corpora.files import read_lines, shown
from evenvoice.errors import CorpusError
from evenvoice.judge.utterances import Utterance

TRN: Final = ".trn"
_TRN_LINE: Final = re.compile(r"(.*?)\(([^()\s]+)\)\s*")
_TRN_SPEAKER: Final = re.compile(r"[^-_]+")


def read_pairs(references: Path, hypotheses: Sequence[Path], speakers: Mapping[str, str]) -> Iterator[Utterance]:
    """Yield what was said with what each file says was written, which the file's stem names.

    Args:
        references: what was said.
        hypotheses: a file for each recogniser, about the same utterances.
        speakers: utterance -> speaker, as ``utt2spk`` has it; may be empty for ``trn``.

    Raises:
        CorpusError: a malformed line, an utterance that stands twice, or that one of the files lacks.
    """
    said = read_texts(references)
    written: dict[str, dict[str, str]] = {}
    for path in hypotheses:
        if path.stem in written:
            raise CorpusError(name=str(path), rule="have another name than the recognisers before it", value=path.stem,
                              action="Rename the file: its name is that of the recogniser.")
        written[path.stem] = read_texts(path)
        _check_same(said, written[path.stem], references, path)
    trn = references.suffix.lower() == TRN
    for key, text in said.items():
        match = _TRN_SPEAKER.match(key) if trn else None
        yield Utterance(key=key, speaker=speakers.get(key, match[0] if match else None), reference=text,
                        written={name: texts[key] for name, texts in written.items()},
                        where=f"utterance {key!r} of {references}")


def read_texts(path: Path) -> dict[str, str]:
    """Utterance -> text.

    Raises:
        CorpusError: a malformed line, or an utterance that stands twice.
    """
    texts: dict[str, str] = {}
    for number, line in read_lines(path):
        key, text = _trn(path, number, line) if path.suffix.lower() == TRN else _kaldi(line)
        if key in texts:
            raise CorpusError(name=f"line {number} of {path}", rule="be about an utterance that was not there before",
                              value=repr(key), action="Delete one of the two lines.")
        texts[key] = text
    return texts


def read_speakers(path: Path) -> dict[str, str]:
    """Utterance -> speaker, from ``utt2spk``.

    Raises:
        CorpusError: a line without a speaker, or an utterance that stands twice.
    """
    found = read_texts(path)
    for key, speaker in found.items():
        if not speaker or " " in speaker:
            raise CorpusError(name=f"{key!r} in {path}", rule="have one speaker", value=repr(speaker),
                              action="Correct the line.")
    return found


def _kaldi(line: str) -> tuple[str, str]:
    key, _, text = line.strip().partition(" ")
    return key, text.strip()


def _trn(path: Path, number: int, line: str) -> tuple[str, str]:
    match = _TRN_LINE.fullmatch(line)
    if match is None:
        raise CorpusError(name=f"line {number} of {path}", rule="end in the utterance in parentheses",
                          value=shown(line), action="Correct the line.")
    return match[2], match[1].strip()


def _check_same(said: Mapping[str, str], written: Mapping[str, str], references: Path, hypotheses: Path) -> None:
    for lacking, of, where in ((said.keys() - written.keys(), references, hypotheses),
                               (written.keys() - said.keys(), hypotheses, references)):
        if lacking:
            raise CorpusError(name=str(where), rule=f"be about the utterances of {of}",
                              value=f"nothing about {min(lacking)!r}, and {len(lacking) - 1} more",
                              action="Score the same recordings everywhere.")
