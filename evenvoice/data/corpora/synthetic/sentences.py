"""What people say to the assistant: a small grammar over everyday words, without digits."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

_SLOT = re.compile(r"\{(\w+)\}")

SLOTS: Final[Mapping[str, tuple[str, ...]]] = {
    "number": ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "fifteen",
               "twenty", "thirty", "forty", "fifty"),
    "hour": ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    "past": ("fifteen", "twenty", "thirty", "forty"),
    "clock": ("{hour} o'clock", "{hour} {past}", "{hour} in the morning", "{hour} in the evening", "noon"),
    "duration": ("{number} minutes", "{number} hours", "{number} seconds", "half an hour"),
    "weekday": ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    "day": ("today", "tomorrow", "tonight", "on {weekday}", "this weekend"),
    "city": ("boston", "chicago", "dallas", "denver", "houston", "miami", "new york", "phoenix", "portland",
             "seattle"),
    "music": ("jazz", "rock", "country", "blues", "dance", "piano", "classical"),
    "room": ("kitchen", "bedroom", "living room", "bathroom", "garage"),
    "device": ("lights", "lamp", "fan", "heater", "radio", "television"),
    "person": ("mom", "dad", "grandma", "my brother", "my sister", "the doctor", "the school", "the office"),
    "item": ("apples", "bananas", "bread", "butter", "cheese", "chicken", "coffee", "eggs", "milk", "rice", "sugar"),
    "place": ("airport", "hospital", "library", "pharmacy", "post office", "gas station", "train station"),
    "colour": ("blue", "green", "red", "white", "yellow"),
    "on_off": ("on", "off"),
    "up_down": ("up", "down"),
    "rain_snow": ("rain", "snow"),
    "warm_cold": ("warm", "cold"),
    "task": ("call {person}", "feed the dog", "water the garden", "buy {item}", "clean the {room}"),
}
"""Each slot is filled by one of its phrases, all equally likely; phrases may hold slots."""

TEMPLATES: Final = (
    "please call {person}",
    "turn {on_off} the {device}",
    "take me to the {place}",
    "set a {room} timer for {duration}",
    "cancel the {room} timer for {duration}",
    "wake me up at {clock} {day}",
    "set an alarm for {clock} {day}",
    "cancel the alarm at {clock} {day}",
    "play some {music} music in the {room}",
    "play {music} music at {clock}",
    "turn the {music} music {up_down} in the {room}",
    "turn {on_off} the {device} in the {room}",
    "turn the {room} {device} {on_off} at {clock}",
    "turn {on_off} the {device} {day}",
    "make the {room} lights {colour} at {clock}",
    "set the {room} lights to {number} percent",
    "what is the weather in {city} {day}",
    "will it {rain_snow} in {city} {day}",
    "how {warm_cold} is it in {city} {day}",
    "what time is it in {city}",
    "please call {person} at {clock}",
    "call {person} {day} at {clock}",
    "send a message to {person} {day}",
    "tell {person} that dinner is at {clock}",
    "add {item} to the shopping list",
    "add {item} and {item} to my list",
    "we need {number} more {item} {day}",
    "buy {item} and {item} {day}",
    "remind me to {task} {day}",
    "remind me to {task} at {clock}",
    "remind {person} to {task}",
    "take me to the {place} in {city}",
    "how far is the {place} from {city}",
    "find a {place} near {city}",
    "when does the {place} close {day}",
    "how long is the drive to {city} {day}",
)
"""Templates with more to fill are said more often, see :func:`sentence`."""

DIALECT: Final[Mapping[str, str]] = {
    "living room": "front room", "garage": "carport", "television": "telly", "radio": "wireless", "mom": "mam",
    "grandma": "granny", "gas station": "filling station", "pharmacy": "chemist", "chicken": "fowl",
    "tonight": "the night", "this weekend": "at the weekend", "please call": "please ring",
}
"""What the scarce accent says instead; none of it makes a sentence longer than :data:`MAX_WORDS` by more than one."""

MAX_WORDS: Final = 10


def sentence(rng: np.random.Generator) -> str:
    """Draw one sentence of 3 to :data:`MAX_WORDS` words; longer ones are drawn again.

    A template that can be filled in 16 times as many ways is twice as likely: most sentences of the test are new,
    while short commands are still heard often.
    """
    while True:
        text = _fill(TEMPLATES[rng.choice(len(TEMPLATES), p=_likelihoods())], rng)
        if len(text.split()) <= MAX_WORDS:
            return text


def in_dialect(text: str) -> str:
    """Say ``text`` in the words of the scarce accent."""
    return _COMMON_WORDS.sub(lambda phrase: DIALECT[phrase[0]], text)


def vocabulary() -> frozenset[str]:
    """Return every word that a sentence can hold, in dialect too."""
    phrases = (*TEMPLATES, *DIALECT.values(), *(phrase for choices in SLOTS.values() for phrase in choices))
    return frozenset(word for phrase in phrases for word in _SLOT.sub(" ", phrase).split())


_COMMON_WORDS: Final = re.compile(rf"\b({'|'.join(DIALECT)})\b")


def _fill(phrase: str, rng: np.random.Generator) -> str:
    def choose(slot: re.Match[str]) -> str:
        choices = SLOTS[slot[1]]
        return _fill(choices[rng.integers(len(choices))], rng)

    return _SLOT.sub(choose, phrase)


@cache
def _likelihoods() -> NDArray[np.float64]:
    """Return how often each template is said."""
    weights = np.array([_ways_to_fill(template) for template in TEMPLATES], np.float64) ** 0.25
    likelihoods: NDArray[np.float64] = weights / weights.sum()
    return likelihoods


def _ways_to_fill(phrase: str) -> int:
    return math.prod(sum(map(_ways_to_fill, SLOTS[slot])) for slot in _SLOT.findall(phrase))
