"""What people say to the assistant: a small grammar over everyday words, without digits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import numpy as np

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
    "task": ("call {person}", "feed the dog", "water the garden", "buy {item}", "clean the {room}"),
}
"""Each slot is filled by one of its phrases, all equally likely; phrases may hold slots."""

TEMPLATES: Final = (
    "set a timer for {duration}",
    "set a {room} timer for {duration}",
    "cancel the timer for {duration}",
    "wake me up at {clock} {day}",
    "set an alarm for {clock}",
    "set an alarm for {clock} {day}",
    "play some {music} music",
    "play {music} music in the {room}",
    "play the next {music} song in the {room}",
    "turn the music {up_down} in the {room}",
    "turn {on_off} the {device}",
    "turn {on_off} the {device} in the {room}",
    "turn the {room} {device} {on_off} at {clock}",
    "make the {room} lights {colour}",
    "set the {room} lights to {number} percent",
    "what is the weather in {city} {day}",
    "will it rain in {city} {day}",
    "will it snow {day} in {city}",
    "how warm is it in {city}",
    "what time is it in {city}",
    "call {person}",
    "call {person} at {clock}",
    "send a message to {person}",
    "tell {person} that dinner is at {clock}",
    "add {item} to the shopping list",
    "add {item} and {item} to my list",
    "we need {number} more {item}",
    "remind me to {task} {day}",
    "remind me to {task} at {clock}",
    "take me to the {place}",
    "how far is the {place} from here",
    "find a {place} near {city}",
    "when does the {place} close {day}",
    "how long is the drive to {city}",
)
"""All equally likely."""

_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {**SLOTS, "on_off": ("on", "off"), "up_down": ("up", "down")}
MAX_WORDS: Final = 10


def sentence(rng: np.random.Generator) -> str:
    """Draw one sentence of 2 to :data:`MAX_WORDS` words; longer ones are drawn again."""
    while True:
        text = _fill(TEMPLATES[rng.integers(len(TEMPLATES))], rng)
        if len(text.split()) <= MAX_WORDS:
            return text


def vocabulary() -> frozenset[str]:
    """Return every word that a sentence can hold."""
    phrases = (*TEMPLATES, *(phrase for choices in _CHOICES.values() for phrase in choices))
    return frozenset(word for phrase in phrases for word in _SLOT.sub(" ", phrase).split())


def _fill(phrase: str, rng: np.random.Generator) -> str:
    def choose(slot: re.Match[str]) -> str:
        choices = _CHOICES[slot[1]]
        return _fill(choices[rng.integers(len(choices))], rng)

    return _SLOT.sub(choose, phrase)
