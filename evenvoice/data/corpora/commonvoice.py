"""Common Voice: train.tsv, dev.tsv and test.tsv, or validated.tsv, with the audio in clips/.

Its clips are MP3. Choosing this layout is the consent to decode compressed formats, as far as the installed
libsndfile does; every other layout takes WAV and FLAC only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from evenvoice.data.corpora.manifest import read_recording
from evenvoice.data.corpora.places import Place, files_below, is_file, is_folder
from evenvoice.data.corpora.recording import Recording, Unnamed
from evenvoice.data.corpora.rows import read_rows
from evenvoice.data.corpora.unnamed import unnamed_audio
from evenvoice.data.sound import COMPRESSED_FORMATS, SAFE_FORMATS
from evenvoice.errors import CorpusError

SPLIT_INDEXES: Final = ("train.tsv", "dev.tsv", "test.tsv")
VALIDATED: Final = "validated.tsv"
CLIPS: Final = "clips"


def is_common_voice(directory: Place) -> bool:
    """Tell whether there are clips and one of the tables."""
    return is_folder(directory / CLIPS) and any(is_file(directory / name) for name in (*SPLIT_INDEXES, VALIDATED))


def recordings(directory: Place, *, select: str, text_column: str, own_split: bool, columns: Sequence[str] = ()
               ) -> Iterator[Recording]:
    """Yield the rows of the corpus's split tables when ``own_split``, else those of validated.tsv.

    Raises:
        CorpusError: none of the tables is there, or one is malformed; there is no folder of clips.
    """
    names = SPLIT_INDEXES if own_split or not is_file(directory / VALIDATED) else (VALIDATED,)
    indexes = [directory / name for name in names if is_file(directory / name)]
    if not indexes:
        raise CorpusError(name=str(directory), rule=f"hold {' or '.join(names)}", value="none of them",
                          action="Point ingest.corpus at the folder of one language.")
    if not is_folder(directory / CLIPS):
        raise CorpusError(name=str(directory / CLIPS), rule="be the folder of the clips", value="no such folder",
                          action="Bring it, or choose ingest.layout for tables that name audio elsewhere.")
    for index in indexes:
        for row in read_rows(index):
            recording = read_recording(row, root=directory / CLIPS, select=select, text_column=text_column,
                                       columns=columns, split=index.stem if own_split else None,
                                       formats=(*SAFE_FORMATS, *COMPRESSED_FORMATS))
            if recording is not None:
                yield recording


def unnamed(directory: Place, *, select: str) -> Unnamed | None:
    """Return the clips that no table of the folder names, those included that are not read.

    Raises:
        CorpusError: as :func:`evenvoice.data.corpora.unnamed.unnamed_audio`.
    """
    clips = directory / CLIPS
    if not is_folder(clips):
        return None
    tables = [directory / name for name in sorted(files_below(directory, depth=1)) if name.endswith(".tsv")]
    return unnamed_audio(clips, tables=tables, select=select)
