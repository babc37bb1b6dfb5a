"""What every corpus adapter yields: one frozen record per recording, and the protocols behind it.

An adapter reads a corpus's own files and says what stands there; it checks types, never content. All rules about
content (empty transcript, silent audio, too long, ...) live once, in :mod:`evenvoice.data.ingest`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypedDict

from evenvoice.data.audio import Waveform
from evenvoice.data.transforms import Change
from evenvoice.errors import RecordingRejected

if TYPE_CHECKING:
    import pyarrow as pa

Labelled = Literal["synthetic", "recorded", "semi-synthetic"]
"""Semi-synthetic: recorded voices with a planted difference."""


class Audio(Protocol):
    """Audio that is loaded late, in another process: implementations must be picklable and small."""

    def load(self, *, name: str, max_duration_s: float) -> Waveform:
        """Load mono samples at any rate; ingest resamples, measures and encodes them.

        Args:
            name: the recording's own key, for error messages.
            max_duration_s: refuse to decode more than this; generated audio may ignore it.

        Raises:
            RecordingRejected: missing, empty, truncated, not audio, or longer than ``max_duration_s``.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingPartner:
    """Stands for the audio of what one file of a corpus names and another, which should, does not.

    Such a recording is refused, so that it is counted and named like any other fault.
    """

    rule: str
    value: str
    action: str

    def load(self, *, name: str, max_duration_s: float) -> Waveform:
        """Raise the refusal, whatever the limit; see :class:`Audio`."""
        raise self.refusal(name)

    def refusal(self, name: str) -> RecordingRejected:
        """Return the error for the recording of this name."""
        return RecordingRejected(name=name, rule=self.rule, value=self.value, action=self.action)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One recording as its corpus describes it; only ``text`` and ``speaker`` may be empty, and are then refused."""

    key: str
    """The corpus's own id, unique in it. Errors name it; it never reaches an artefact but the rejected list."""
    speaker: str
    """The corpus's own name of the speaker; replaced by a keyed pseudonym."""
    text: str
    """Transcript as it stands in the corpus, not yet normalised."""
    audio: Audio
    split: str | None = None
    """One of SPLITS where the corpus brings its own, in any spelling the corpus uses; None otherwise."""
    lat: float | None = None
    """Degrees north, not yet coarsened."""
    lon: float | None = None
    """Degrees east, not yet coarsened."""
    postal_code: str | None = None
    gender: str | None = None
    age_band: str | None = None
    accent: str | None = None
    country: str | None = None
    session: str | None = None
    """What was recorded at one time, in one room, by one microphone, where the corpus says so; unique for a speaker."""
    further: tuple[tuple[str, str], ...] = ()
    """Name and value of each column of ``ingest.columns`` that is known."""
    planted: Change | None = None
    """What ``ingest.plant`` does to a speaker whom it chose. No corpus sets it, and it reaches no table."""

    def altered(self, **changes: Any) -> Recording:
        """A copy with other values of some fields: dataclasses.replace in a third of the time, for millions."""
        made = object.__new__(Recording)
        for put, value in zip(_PUTS, _VALUES(self), strict=True):
            put(made, value)
        for name, value in changes.items():
            object.__setattr__(made, name, value)
        return made


_FIELDS: Final = [field.name for field in fields(Recording)]
_VALUES: Final = attrgetter(*_FIELDS)
_PUTS: Final = [getattr(Recording, name).__set__ for name in _FIELDS]


class Unnamed(TypedDict):
    """Audio files of a corpus's folder that no table of it names."""

    count: int
    first: list[str]
    """At most three of them, relative to the folder, by name."""


class Corpus(Protocol):
    """An opened corpus."""

    @property
    def labelled(self) -> Labelled:
        """Whether people spoke it."""
        ...

    def recordings(self) -> Iterator[Recording]:
        """Yield every recording lazily, in the same order on every call.

        Raises:
            CorpusError: an index file is missing, malformed or has a column of an unknown type.
        """
        ...

    def census(self) -> pa.Table | None:
        """Return statistics by ``postal_code`` (string; every other column float64), or None."""
        ...

    def unnamed_audio(self) -> Unnamed | None:
        """Return the audio beside what the tables name; None where no table decides, or there is no folder to search.

        Raises:
            CorpusError: a link that leads nowhere, or what this user may not read.
        """
        ...
