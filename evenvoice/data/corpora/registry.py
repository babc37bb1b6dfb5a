"""Registry of corpus adapters: which layouts there are, how one is recognised, and how it is opened."""

from __future__ import annotations

from functools import partial
from typing import Final, Literal, cast

from evenvoice.data.corpora import commonvoice, kaldi, librispeech, manifest
from evenvoice.data.corpora.files import FileCorpus
from evenvoice.data.corpora.places import Place, is_file, is_there, place
from evenvoice.data.corpora.recording import Corpus
from evenvoice.errors import CorpusError
from evenvoice.params import Ingest, Synthetic

Layout = Literal["synthetic", "kaldi", "manifest", "librispeech", "commonvoice"]
SYNTHETIC: Final = "synthetic"
WITHOUT_FURTHER: Final = (SYNTHETIC, "librispeech")


def layout_of(settings: Ingest) -> Layout:
    """Return the configured layout, or recognise it by the files that are there.

    Raises:
        CorpusError: nothing is there, or nothing that is recognised; what this user may not read, or a link that
            leads nowhere.
    """
    if settings.corpus == SYNTHETIC or settings.layout == SYNTHETIC:
        return SYNTHETIC
    corpus = place(settings.corpus)
    if not is_there(corpus):
        raise CorpusError(name=f"corpus {settings.corpus}", rule="exist", value="no such file or directory",
                          action="Check ingest.corpus, or CORPUS= of `make run`.")
    if settings.layout != "auto":
        return settings.layout
    return _recognise(corpus)


def open_corpus(settings: Ingest, synthetic: Synthetic, seed: int) -> Corpus:
    """Open the configured corpus; its index is read when recordings are asked for.

    Raises:
        CorpusError: as :func:`layout_of`, or further columns of a layout that has none.
    """
    layout, root, select = layout_of(settings), place(settings.corpus), settings.select
    if settings.columns and layout in WITHOUT_FURTHER:
        raise CorpusError(name=f"ingest.columns: {settings.columns[0]}", rule="be a column of the corpus",
                          value=f"the {layout} layout has no further ones", action="Leave it out, or write a manifest.")
    if layout == SYNTHETIC:
        from evenvoice.data.corpora.synthetic import SyntheticCorpus  # its voices are an optional dependency

        return cast(Corpus, SyntheticCorpus(synthetic, sample_rate=settings.sample_rate, seed=seed))
    if layout == "kaldi":
        return FileCorpus(partial(kaldi.recordings, root, select=select, columns=settings.columns))
    if layout == "librispeech":
        return FileCorpus(partial(librispeech.recordings, root, select=select))
    if layout == "commonvoice":
        return FileCorpus(partial(commonvoice.recordings, root, select=select, text_column=settings.text_column,
                                  own_split=settings.splits == "corpus", columns=settings.columns),
                          unnamed=partial(commonvoice.unnamed, root, select=select))
    return FileCorpus(partial(manifest.recordings, root, select=select, text_column=settings.text_column,
                              columns=settings.columns),
                      unnamed=partial(manifest.unnamed, root, select=select))


def _recognise(corpus: Place) -> Layout:
    if is_file(corpus):
        return "manifest"
    if is_file(corpus / "wav.scp"):
        return "kaldi"
    if manifest.find_index(corpus) is not None:
        return "manifest"
    if commonvoice.is_common_voice(corpus):
        return "commonvoice"
    if librispeech.is_librispeech(corpus):
        return "librispeech"
    raise CorpusError(name=f"corpus {corpus}", rule="be laid out as Kaldi (wav.scp), manifest (manifest.tsv, .csv, "
                      ".jsonl, .json, .parquet), Common Voice (clips/ and validated.tsv) or LibriSpeech "
                      "(speaker/chapter/*.trans.txt)", value="none of these",
                      action="Point ingest.corpus at the folder that holds those files, or write a manifest.")
