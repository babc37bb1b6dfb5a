"""Common Voice: train.tsv, dev.tsv and test.tsv, or validated.tsv, with the audio in clips/.

Its clips are MP3. Choosing this layout is the consent to decode compressed formats, as far as the installed
libsndfile does; every other layout takes WAV and FLAC only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from evenvoice.data.corpora.manifest import read_recording
from evenvoice.data.corpora.places import Place
from evenvoice.data.corpora.recording import Recording
from evenvoice.data.corpora.rows import read_rows
from evenvoice.data.sound import COMPRESSED_FORMATS, SAFE_FORMATS
from evenvoice.errors import CorpusError

SPLIT_INDEXES: Final = ("train.tsv", "dev.tsv", "test.tsv")
VALIDATED: Final = "validated.tsv"


def is_common_voice(directory: Place) -> bool:
    """Tell whether there are clips and one of the tables."""
    return (directory / "clips").is_dir() and any((directory / name).is_file() for name in (*SPLIT_INDEXES, VALIDATED))


def recordings(directory: Place, *, select: str, text_column: str, own_split: bool) -> Iterator[Recording]:
    """Yield the rows of the corpus's split tables when ``own_split``, else those of validated.tsv.

    Raises:
        CorpusError: none of the tables is there, or one is malformed.
    """
    names = SPLIT_INDEXES if own_split or not (directory / VALIDATED).is_file() else (VALIDATED,)
    indexes = [directory / name for name in names if (directory / name).is_file()]
    if not indexes:
        raise CorpusError(name=str(directory), rule=f"hold {' or '.join(names)}", value="none of them",
                          action="Point ingest.corpus at the folder of one language.")
    for index in indexes:
        for row in read_rows(index):
            recording = read_recording(row, root=directory / "clips", select=select, text_column=text_column,
                                       split=index.stem if own_split else None,
                                       formats=(*SAFE_FORMATS, *COMPRESSED_FORMATS))
            if recording is not None:
                yield recording
