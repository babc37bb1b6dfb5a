"""Which pairs of recordings are compared: every speaker with itself, and with every other.

Shapes: G segments, N trials.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.data.feature_store import FeatureStore
from evenvoice.errors import CorpusError
from evenvoice.params import Verify
from evenvoice.verification.detection import Mask

STREAM: Final = 0x7219
"""Keeps these draws apart from every other use of the seed."""
RECORDING, SESSION = "within a recording", "within a session"
SESSIONS, RECORDINGS = "across sessions", "across recordings"
ALIKE, UNLIKE, UNKNOWN = "same gender", "other gender", "gender unknown"
"""Conditions of same-speaker trials, the last where the corpus says nothing of sessions, and of others."""
OF_SAME: Final = (RECORDING, SESSION, SESSIONS, RECORDINGS)


@dataclass(frozen=True, eq=False)
class Segments:
    """Stretches of recordings, each a whole one unless recordings are cut.

    Attributes:
        recordings, starts, stops: (G,) index in the feature store, first frame and the one behind the last.
        speakers: (G,) numbers, in the order of ``names``.
        sessions: (G,) when it was recorded, None where that is not known.
    """

    recordings: NDArray[np.int64]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    speakers: NDArray[np.int64]
    names: tuple[str, ...]
    sessions: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.recordings)


@dataclass(frozen=True, eq=False)
class Trials:
    """Pairs of segments.

    Attributes:
        first, second: (N,) numbers of segments.
        same: (N,) whether one speaker said both.
        condition: (N,) what makes the trial easier or harder.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    same: Mask
    condition: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.first)


def segments_of(store: FeatureStore, split: str, *, cut_frames: int, most_speakers: int, seed: int,
                sessions: Mapping[str, str | None] | None = None) -> Segments:
    """The recordings of a split, cut to pieces of ``cut_frames`` where that is above 0.

    What is left over at an end is no piece; a recording shorter than two pieces stays whole. Of more than
    ``most_speakers`` as many random ones are taken. ``sessions`` says of recordings when they were made.
    """
    indices = store.indices(split)
    speakers = store.speakers[indices].astype(str)
    names = sorted(set(speakers.tolist()))
    if len(names) > most_speakers:
        rng = np.random.default_rng([seed, STREAM, 1])
        names = sorted(rng.permutation(names)[:most_speakers].tolist())
    number = {name: place for place, name in enumerate(names)}
    rows = [(int(index), start, stop, number[speaker]) for index, speaker in zip(indices, speakers, strict=True)
            if speaker in number for start, stop in _pieces(int(store.frames[index]), cut_frames)]
    columns = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    known = [(sessions or {}).get(str(store.ids[index])) for index in columns[0]]
    return Segments(columns[0], columns[1], columns[2], columns[3], tuple(names), np.array(known, dtype=object))


def _pieces(frames: int, cut: int) -> list[tuple[int, int]]:
    if not cut or frames < 2 * cut:
        return [(0, frames)]
    return [(start, start + cut) for start in range(0, frames - cut + 1, cut)]


def make_trials(segments: Segments, genders: Sequence[str | None], settings: Verify, *, split: str, seed: int
                ) -> Trials:
    """At most ``same_per_speaker`` pairs of each speaker, and ``different_per_pair`` of each two speakers, at random.

    Args:
        segments: of a split.
        genders: of its speakers, where known.
        settings: how many.
        split: for messages, and for the draw.
        seed: of the draw.

    Raises:
        CorpusError: no speaker has two segments, or there are fewer than two speakers.
    """
    rng = np.random.default_rng([seed, STREAM, 2, *split.encode()])
    own = [np.flatnonzero(segments.speakers == number) for number in range(len(segments.names))]
    if len(own) < 2:
        raise CorpusError(name=f"the {split} split", rule="hold at least 2 speakers to verify", value=len(own),
                          action="Bring more speakers, or give ingest.split another share.")
    same = [pair for rows in own for pair in _pairs_within(rows, settings.same_per_speaker, rng)]
    if not same:
        raise CorpusError(
            name=f"the {split} split", rule="hold two recordings of a speaker, to verify speakers",
            value="one recording per speaker",
            action="Bring further recordings, or cut long ones into pieces (verify.cut_s): trials within a recording "
                   "are easier than across recordings, and the report says so.")
    first_N, second_N = np.concatenate([np.array(same, dtype=np.int64).T,
                                        _pairs_across(own, settings.different_per_pair, rng)], axis=1)
    same_N = np.arange(len(first_N)) < len(same)
    return Trials(first_N, second_N, same_N, _conditions(segments, genders, first_N, second_N, same_N))


def _pairs_within(rows: NDArray[np.int64], most: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    first, second = np.triu_indices(len(rows), k=1)
    chosen = np.sort(rng.permutation(len(first))[:most])
    return list(zip(rows[first[chosen]].tolist(), rows[second[chosen]].tolist(), strict=True))


def _pairs_across(own: Sequence[NDArray[np.int64]], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(2, pairs); a pair that is drawn twice counts once."""
    one_P, other_P = np.triu_indices(len(own), k=1)
    sizes_S = np.array([len(rows) for rows in own])
    together_P = sizes_S[one_P] * sizes_S[other_P]
    places_PK = np.sort((rng.random((len(one_P), min(most, int(together_P.max())))) * together_P[:, None]).astype(int))
    new_PK = np.ones_like(places_PK, dtype=bool)
    new_PK[:, 1:] = places_PK[:, 1:] != places_PK[:, :-1]
    pair_N, kept_N = np.nonzero(new_PK)[0], places_PK[new_PK]
    segments = np.concatenate(own)
    starts_S = np.concatenate([[0], np.cumsum(sizes_S)[:-1]])
    width_N = sizes_S[other_P[pair_N]]
    return np.stack([segments[starts_S[one_P[pair_N]] + kept_N // width_N],
                     segments[starts_S[other_P[pair_N]] + kept_N % width_N]])


def _conditions(segments: Segments, genders: Sequence[str | None], first_N: NDArray[np.int64],
                second_N: NDArray[np.int64], same_N: Mask) -> NDArray[np.object_]:
    alike_recording_N = segments.recordings[first_N] == segments.recordings[second_N]
    one_session_N, other_session_N = segments.sessions[first_N], segments.sessions[second_N]
    told_N = np.array([None not in pair for pair in zip(one_session_N, other_session_N, strict=True)], dtype=bool)
    of_same_N = np.where(alike_recording_N, RECORDING, np.where(
        ~told_N, RECORDINGS, np.where(one_session_N == other_session_N, SESSION, SESSIONS)))
    gender_S = np.array([gender or "" for gender in genders], dtype=object)
    one_N, other_N = gender_S[segments.speakers[first_N]], gender_S[segments.speakers[second_N]]
    known_N, alike_N = (one_N != "") & (other_N != ""), one_N == other_N
    return np.where(same_N, of_same_N,
                    np.where(known_N, np.where(alike_N, ALIKE, UNLIKE), UNKNOWN)).astype(object)
