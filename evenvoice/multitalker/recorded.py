"""A corpus of recordings of several talkers: a manifest of audio, with SegLST beside each recording.

A row names the audio (``path``), its ``split`` (train, validate or test) and, where it is not the audio's path with the
suffix ``.seglst.json``, its SegLST (``seglst``). A table ``speakers.tsv`` (or .csv, .jsonl, .json, .parquet) beside the
manifest may tell of the speakers; it then has to name all of them. Names of speakers and recordings become pseudonyms
by the same key as in ingest.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

from evenvoice.data.audio import Waveform
from evenvoice.data.corpora import attributes, manifest
from evenvoice.data.corpora.columns import PATH
from evenvoice.data.corpora.files import FileAudio, locate
from evenvoice.data.corpora.places import Place, is_file, open_index, place
from evenvoice.data.corpora.reading import readable
from evenvoice.data.corpora.rows import READERS, Row, read_rows
from evenvoice.data.pseudonyms import Pseudonyms
from evenvoice.data.schemas import FURTHER, SPEAKERS
from evenvoice.data.spelling import one_spelling
from evenvoice.data.splits import SPELLINGS
from evenvoice.errors import CorpusError
from evenvoice.multitalker.seglst import check_within, read_seglst
from evenvoice.multitalker.turns import Turn, by_start

MIXTURE_SPLITS: Final = ("train", "validate", "test")
SEGLST: Final = ("seglst", "seglst_filepath")
SUFFIX: Final = ".seglst.json"
Attributes = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class RecordedMixture:
    """A recording of several talkers, whose audio is loaded late.

    Attributes:
        name: pseudonym of the recording, unique in its corpus.
        split: one of MIXTURE_SPLITS.
        turns: by start, speakers by their pseudonyms.
        seglst: path of the file that the turns were read from.
    """

    name: str
    split: str
    audio: FileAudio
    turns: tuple[Turn, ...]
    seglst: str

    def load(self, *, max_duration_s: float) -> tuple[Waveform, list[Turn]]:
        """Decode the audio, and return it with the turns, which lie within it.

        Raises:
            RecordingRejected: the audio is missing, damaged, or longer than ``max_duration_s``.
            CorpusError: a turn lies beyond its end.
        """
        waveform = self.audio.load(name=f"recording {self.audio.path!r}", max_duration_s=max_duration_s)
        return waveform, check_within(self.turns, waveform.duration_s, self.seglst)


@dataclass(frozen=True)
class RecordedCorpus:
    """All mixtures of a corpus in the order of its manifest, and what its speaker table says.

    Attributes:
        attributes: of each pseudonym in the speaker table; None where the corpus has none.
    """

    mixtures: list[RecordedMixture]
    attributes: dict[str, Attributes] | None

    def speaker_rows(self) -> list[Attributes]:
        """Rows of the SPEAKERS table: one for each speaker and split in which they speak."""
        pairs = sorted({(turn.speaker, mixture.split) for mixture in self.mixtures for turn in mixture.turns})
        empty: Attributes = {**dict.fromkeys(SPEAKERS.names), FURTHER: []}
        return [{**empty, **(self.attributes or {}).get(speaker, {}), "speaker": speaker, "split": split}
                for speaker, split in pairs]

    @property
    def speakers_overlap(self) -> bool:
        """Whether somebody speaks in several splits."""
        rows = self.speaker_rows()
        return len({row["speaker"] for row in rows}) < len(rows)


def recorded_mixtures(corpus: Place, *, names: Pseudonyms, allow_speaker_overlap: bool = False,
                      columns: Sequence[str] = ()) -> RecordedCorpus:
    """Read the manifest, every SegLST and the speaker table; no audio is opened.

    Args:
        corpus: the manifest, or the folder that holds it as ``manifest.tsv`` (or another of its formats).
        names: the pseudonyms' key.
        allow_speaker_overlap: take a corpus in which somebody speaks in several splits.
        columns: of the speaker table that are to be told beside gender, age_band, accent and country.

    Raises:
        CorpusError: there is no manifest, it is malformed or leaves a split empty; a SegLST is missing or refused; a
            speaker is in several splits or not in the speaker table.
    """
    index = manifest.find_index(corpus)
    if index is None:
        raise CorpusError(name=str(corpus), rule=f"be a manifest ({', '.join(READERS)}) or hold one", value="none",
                          action="Correct mix.corpus.")
    own = list(_read(index, names))
    _check_splits(own, index)
    if not allow_speaker_overlap:
        _check_speakers_apart(own)
    table = next((path for suffix in READERS if is_file(path := index.parent / f"speakers{suffix}")), None)
    known = None if table is None else dict(_speaker_table(table, columns))
    if table is not None:
        _check_known(own, known or {}, table)
    return RecordedCorpus([_pseudonymous(mixture, names) for mixture in own],
                          None if known is None else {names.speaker(name): told for name, told in known.items()})


def _read(index: Place, names: Pseudonyms) -> Iterator[RecordedMixture]:
    """Mixtures whose speakers still have their own names."""
    seen: dict[str, str] = {}
    for row in read_rows(index):
        path = row.text(*PATH)
        if path is None:
            raise CorpusError(name=row.where, rule=f"name its audio as {' or '.join(PATH)}", value="nothing",
                              action="Fill in the path, or remove the row.")
        audio = locate(index.parent, path, index=index)
        if audio in seen:
            raise CorpusError(name=row.where, rule="name audio of its own", value=f"{path!r}, as {seen[audio]} does",
                              action="Remove one of the two rows.")
        seen[audio] = row.where
        beside = row.text(*SEGLST) or f"{posixpath.splitext(path)[0]}{SUFFIX}"
        seglst = locate(index.parent, beside, index=index)
        yield RecordedMixture(name=names.utterance(path), split=_split(row), audio=FileAudio(audio), seglst=seglst,
                              turns=tuple(read_seglst(_content(seglst), seglst)))


def _split(row: Row) -> str:
    if row.number_or_none("offset"):
        raise CorpusError(name=row.where, rule="take its audio from the beginning", value="an offset",
                          action="Cut the audio, so that its file begins where the times of its SegLST do.")
    split = SPELLINGS.get((row.text("split") or "").lower())
    if split not in MIXTURE_SPLITS:
        raise CorpusError(name=row.where, rule=f"name its split ({', '.join(MIXTURE_SPLITS)})",
                          value=repr(row.text("split")), action="Fill in the column split.")
    return split


def _content(path: str) -> bytes:
    with readable(path), open_index(place(path)) as file:
        return file.read()


def _check_splits(mixtures: Sequence[RecordedMixture], index: Place) -> None:
    found = {mixture.split for mixture in mixtures}
    missing = [split for split in MIXTURE_SPLITS if split not in found]
    if missing:
        raise CorpusError(name=str(index), rule=f"have recordings of {', '.join(MIXTURE_SPLITS)}",
                          value=f"none of {', '.join(missing)}",
                          action="Bring more recordings, or change their splits.")


def _check_speakers_apart(mixtures: Iterable[RecordedMixture]) -> None:
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for mixture in mixtures:
        for turn in mixture.turns:
            found[turn.speaker].setdefault(mixture.split, mixture.seglst)
    overlap = sorted(speaker for speaker, splits in found.items() if len(splits) > 1)
    if overlap:
        where = ", ".join(f"{split} ({seglst})" for split, seglst in found[overlap[0]].items())
        raise CorpusError(name=f"speaker {overlap[0]!r}", rule="be in one split only",
                          value=f"{where}; {len(overlap)} such speakers",
                          action="Correct the splits, or accept it with ingest.allow_speaker_overlap: the fairness "
                                 "gate then cannot PASS.")


def _speaker_table(table: Place, columns: Sequence[str]) -> Iterator[tuple[str, Attributes]]:
    """Own names of speakers, and what is known of each."""
    seen: dict[str, str] = {}
    for row in read_rows(table):
        name = one_spelling(row.text(*manifest.SPEAKER) or "")
        if not name or name in seen:
            raise CorpusError(name=row.where, rule=f"name a speaker of its own as {' or '.join(manifest.SPEAKER)}",
                              value=f"{name!r}, as {seen[name]} does" if name else "nothing",
                              action="Fill in the name, or remove the row.")
        seen[name] = row.where
        yield name, {"gender": attributes.gender(row.text("gender")),
                     "age_band": attributes.age_band(manifest.age(row)),
                     "accent": attributes.told(row.text("accent", "accents")),
                     "country": attributes.told(row.text("country")), FURTHER: list(manifest.further(row, columns))}


def _check_known(mixtures: Iterable[RecordedMixture], known: dict[str, Attributes], table: Place) -> None:
    spoken = chain.from_iterable(((turn.speaker, mixture.seglst) for turn in mixture.turns) for mixture in mixtures)
    unknown = next((pair for pair in spoken if pair[0] not in known), None)
    if unknown is not None:
        raise CorpusError(name=f"speaker {unknown[0]!r} of {unknown[1]}", rule=f"stand in {table}", value="no such row",
                          action="Add the speaker to the table, or correct the name in the SegLST.")


def _pseudonymous(mixture: RecordedMixture, names: Pseudonyms) -> RecordedMixture:
    turns = [replace(turn, speaker=names.speaker(turn.speaker)) for turn in mixture.turns]
    return replace(mixture, turns=tuple(by_start(turns)))
