"""Text to the units the recogniser emits, and back.

Two kinds: single characters, which small corpora need (whole words did not get below 35 % WER where characters
reached 3 %), and sentencepiece units, which make sequences shorter once there is enough speech to learn them.

Both number their units alike: 0 is the transducer's blank, 1 stands for characters that training never saw and reads
as nothing, the rest are units of the training text.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import sentencepiece

from evenvoice.errors import ArtifactError, ParamsError
from evenvoice.params import Tokenizer as TokenizerSettings
from evenvoice.storage import read_json, write_bytes, write_json

DESCRIPTION = "tokenizer.json"
MODEL = "sentencepiece.model"
FILES = (DESCRIPTION, MODEL)
SENTENCES_AT_MOST = 1_000_000
"""Sentencepiece trains on a random million of the transcripts where there are more, to bound its memory."""
WITHOUT_TEXT = 2
"""Blank and unknown."""


@dataclass(frozen=True)
class Tokenizer:
    """Frozen units; two tokenizers are equal when they give the same ids to every text."""

    blank: ClassVar[int] = 0
    unknown: ClassVar[int] = 1

    kind: Literal["characters", "sentencepiece"]
    units: tuple[str, ...]
    """Text of each id from 2 on."""
    model: bytes = field(default=b"", repr=False)
    """What sentencepiece trained; empty for characters."""

    @property
    def size(self) -> int:
        """Number of ids, blank and unknown included."""
        return len(self.units) + WITHOUT_TEXT

    @property
    def sha256(self) -> str:
        """Hash of all that gives ids to texts."""
        content = json.dumps([self.kind, self.units, _digest(self.model)], ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()

    def encode(self, text: str) -> list[int]:
        """Ids of a normalised text, never blank; characters that training never saw become ``unknown``."""
        if self.kind == "characters":
            return [self._ids.get(character, self.unknown) for character in text]
        return [piece + 1 for piece in self._processor.encode(text)]

    def decode(self, ids: Iterable[int]) -> str:
        """Text of ids; blank and unknown read as nothing."""
        units = [id_ for id_ in ids if id_ >= WITHOUT_TEXT]
        if self.kind == "characters":
            return "".join(self.units[id_ - WITHOUT_TEXT] for id_ in units)
        return str(self._processor.decode([id_ - 1 for id_ in units]))

    @classmethod
    def train(cls, texts: Iterable[str], settings: TokenizerSettings, *, hours: float, seed: int) -> Self:
        """Find the units of the training transcripts.

        Args:
            texts: normalised transcripts of the train split.
            settings: which kind, or what decides between them.
            hours: training speech.
            seed: of sentencepiece's choice among more than a million transcripts.

        Raises:
            ArtifactError: no text at all.
            ParamsError: a vocabulary too small for the characters that occur.
        """
        transcripts = [text for text in texts if text]
        if not transcripts:
            raise ArtifactError(name="training transcripts", rule="hold text", value="none",
                                action="Give the train split recordings with transcripts (ingest.split).")
        kind = settings.kind
        if kind == "auto":
            kind = "characters" if hours < settings.characters_below_hours else "sentencepiece"
        if kind == "characters":
            return cls(kind="characters", units=tuple(sorted(set().union(*transcripts))))
        return cls.from_model(_train_sentencepiece(transcripts, settings.vocabulary, seed))

    @classmethod
    def from_model(cls, model: bytes) -> Self:
        """Wrap a serialised sentencepiece model whose id 0 is its unknown piece."""
        processor = _processor(model)
        return cls(kind="sentencepiece", model=model,
                   units=tuple(processor.id_to_piece(piece) for piece in range(1, processor.get_piece_size())))

    def save(self, directory: Path) -> None:
        """Write tokenizer.json, and the sentencepiece model beside it where there is one."""
        write_json(directory / DESCRIPTION, {"kind": self.kind, "units": list(self.units),
                                             "model_sha256": _digest(self.model)})
        if self.model:
            write_bytes(directory / MODEL, self.model)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            ArtifactError: a file is missing, unreadable, or not the one that was saved.
        """
        path = directory / DESCRIPTION
        content = read_json(path)
        if not _well_formed(content):
            raise ArtifactError(name=str(path), rule="describe a tokenizer: kind, units and model_sha256",
                                value=json.dumps(content)[:80], action="Run the tokenizer stage again.")
        if content["kind"] == "characters":
            return cls(kind="characters", units=tuple(content["units"]))
        return cls.from_model(_read_model(directory / MODEL, content["model_sha256"]))

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {unit: id_ for id_, unit in enumerate(self.units, start=WITHOUT_TEXT)}

    @cached_property
    def _processor(self) -> Any:
        return _processor(self.model)


def _train_sentencepiece(transcripts: list[str], vocabulary: int, seed: int) -> bytes:
    sentencepiece.set_random_generator_seed(seed)
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(transcripts), model_writer=model, model_type="unigram",
            vocab_size=vocabulary - 1,  # one id is blank's
            hard_vocab_limit=False,  # little text may not hold that many units
            character_coverage=1.0, normalization_rule_name="identity",  # texts are normalised already
            unk_id=0, bos_id=-1, eos_id=-1, pad_id=-1,
            input_sentence_size=SENTENCES_AT_MOST, shuffle_input_sentence=True,
            num_threads=1, minloglevel=2)
    except RuntimeError as error:
        raise ParamsError(name="tokenizer.vocabulary", rule="hold every character of the training text",
                          value=f"{vocabulary} ({' '.join(str(error).split())})",
                          action="Raise tokenizer.vocabulary, or set tokenizer.kind to characters.") from error
    return model.getvalue()


def _processor(model: bytes) -> Any:
    processor = sentencepiece.SentencePieceProcessor()
    processor.load_from_serialized_proto(model)
    return processor


def _digest(model: bytes) -> str | None:
    return hashlib.sha256(model).hexdigest() if model else None


def _well_formed(content: Any) -> bool:
    return (isinstance(content, dict) and content.keys() == {"kind", "units", "model_sha256"}
            and content["kind"] in ("characters", "sentencepiece") and isinstance(content["units"], list)
            and all(isinstance(unit, str) and unit for unit in content["units"]))


def _read_model(path: Path, sha256: str) -> bytes:
    model = path.read_bytes() if path.exists() else b""
    if not model or _digest(model) != sha256:
        raise ArtifactError(name=str(path), rule="be the model that was saved with it",
                            value="another file" if model else "no such file",
                            action="Run the tokenizer stage again.")
    return model
