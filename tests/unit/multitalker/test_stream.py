"""Two talkers heard while they speak."""

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
import pytest
import torch

from evenvoice.errors import ParamsError
from evenvoice.models.recogniser import Recogniser
from evenvoice.multitalker.labels import FURTHER
from evenvoice.multitalker.stream import Event, TurnStream
from evenvoice.multitalker.transcribing import hear_recording
from evenvoice.multitalker.turns import TimedTurn
from tests.builders.models import TOKENIZER, tiny_recogniser
from tests.builders.talkers import LONGER, RATE, attentive_multitalker, audio_of, babble, talkative_multitalker

TOGETHER = audio_of(LONGER[0])
BABBLE = babble()


def streamed(recogniser: Recogniser, samples_T: np.ndarray, block: int, rate: int = RATE
             ) -> tuple[list[Event], list[TimedTurn]]:
    stream = TurnStream(recogniser, rate)
    blocks = [samples_T[start:start + block] for start in range(0, len(samples_T), block)]
    events = [event for one in blocks for event in stream.feed(one)]
    return [*events, *stream.finish()], stream.turns


def facts(turns: Sequence[TimedTurn]) -> list[tuple[object, ...]]:
    """All but the last bits of confidences; by channel, as a whole recording is heard."""
    return [(turn.channel, turn.start_s, turn.end_s, turn.text, [(word.text, word.start_s) for word in turn.words])
            for turn in sorted(turns, key=lambda turn: turn.channel)]


def of_channel(events: list[Event], channel: int) -> list[Event]:
    return [event for event in events if event.channel == channel]


@pytest.mark.parametrize("block", [7, 80, 1111, 8000, 100_000])
def test_blocks_of_any_size_give_the_turns_of_the_whole(block):
    _, turns = streamed(attentive_multitalker(), TOGETHER, block)
    assert facts(turns) == facts(hear_recording(attentive_multitalker(), TOGETHER, RATE))
    assert [(turn.channel, turn.text) for turn in turns] == [(0, "yes one"), (1, "no two")]


@pytest.mark.parametrize("lookahead", [0, 2])
@pytest.mark.parametrize("tokens", sorted(FURTHER))
def test_whatever_is_written_is_the_same_in_blocks_as_in_one(tokens, lookahead):
    recogniser = talkative_multitalker(tokens=tokens, lookahead=lookahead)
    whole = hear_recording(recogniser, BABBLE, RATE)
    assert len(whole) > {"none": 1, "separator": 4, "turns": 4}[tokens]
    for block in (160, 999):
        assert facts(streamed(recogniser, BABBLE, block)[1]) == facts(whole)


@pytest.mark.parametrize("samples", [0, 1, 100, 300, 500])
def test_a_recording_of_a_moment_is_heard_as_it_is_as_a_whole(samples):
    recogniser, short_T = talkative_multitalker(), BABBLE[:samples]
    assert facts(streamed(recogniser, short_T, 50)[1]) == facts(hear_recording(recogniser, short_T, RATE))


def test_audio_of_another_rate_is_resampled():
    _, turns = streamed(attentive_multitalker(), np.repeat(TOGETHER, 2), 400, rate=2 * RATE)
    assert [turn.text for turn in turns] == ["yes one", "no two"]


def test_a_turn_is_told_while_it_goes_on():
    events, _ = streamed(attentive_multitalker(), TOGETHER, 80)
    assert [(event.kind, event.text) for event in of_channel(events, 0)] == [
        ("start", ""), ("words", "yes"), ("words", "one"), ("end", "yes one")]
    assert [(event.kind, event.text) for event in of_channel(events, 1)] == [
        ("start", ""), ("words", "no"), ("words", "two"), ("end", "no two")]


def test_turns_stand_in_the_order_in_which_they_end():
    stream = TurnStream(talkative_multitalker(), RATE)
    told: list[TimedTurn] = []
    for start in range(0, len(BABBLE), 400):
        stream.feed(BABBLE[start:start + 400])
        assert stream.turns[:len(told)] == told
        told = list(stream.turns)
    channels = [turn.channel for turn in told]
    assert channels != sorted(channels)


@pytest.mark.parametrize("block", [80, 1111, 100_000])
@pytest.mark.parametrize("tokens", sorted(FURTHER))
def test_events_come_in_order_and_their_words_are_those_of_the_turn(tokens, block):
    events, turns = streamed(talkative_multitalker(tokens=tokens), BABBLE, block)
    for channel in (0, 1):
        own = of_channel(events, channel)
        assert [event.at_s for event in own] == sorted(event.at_s for event in own)
        ended = iter([turn for turn in turns if turn.channel == channel])
        words: list[str] = []
        begun = False
        for event in own:
            if event.kind == "start":
                assert not begun
                assert not words
                begun = True
            elif event.kind == "words":
                words += event.text.split()
            else:
                turn = next(ended)
                assert " ".join(words) == event.text == turn.text
                assert begun == (turn.start_s is not None)
                words, begun = [], False
        assert next(ended, None) is None


@pytest.mark.parametrize("lookahead", [0, 2])
def test_nothing_is_told_before_it_was_heard_nor_long_after(lookahead):
    stream, block = TurnStream(talkative_multitalker(lookahead=lookahead), RATE), 80
    window_s, frame_s = 0.025, 0.04
    for start in range(0, len(BABBLE), block):
        heard_s = (start + block) / RATE
        for event in stream.feed(BABBLE[start:start + block]):
            assert event.at_s <= heard_s
            if event.kind != "words":
                assert heard_s < event.at_s + window_s + frame_s


def test_an_unfinished_turn_ends_with_the_recording():
    stream = TurnStream(attentive_multitalker(), RATE)
    events = stream.feed(TOGETHER[:round(0.75 * RATE)])
    assert [(event.kind, event.channel, event.text) for event in events] == [
        ("start", 0, ""), ("words", 0, "yes"), ("start", 1, "")]
    assert stream.turns == []
    rest = stream.finish()
    assert [(event.kind, event.channel) for event in rest if event.kind == "end"] == [("end", 0), ("end", 1)]
    assert [(turn.channel, turn.end_s) for turn in stream.turns] == [(0, None), (1, None)]
    assert stream.turns[0].text.startswith("yes")
    assert " ".join(event.text for event in [*events, *rest] if event.kind == "words" and event.channel == 0
                    ) == stream.turns[0].text


def test_silence_tells_of_nothing():
    assert streamed(attentive_multitalker(), audio_of(()), 80) == ([], [])


def test_spaces_in_a_row_lose_no_word():
    recogniser = deepcopy(attentive_multitalker())
    with torch.no_grad():
        recogniser.transducer.joiner.output.bias[TOKENIZER.encode(" ")[0]] += 8
    events, turns = streamed(recogniser, TOGETHER, 80)
    for channel in (0, 1):
        words = [event.text for event in of_channel(events, channel) if event.kind == "words"]
        assert len(words) > 2
        assert " ".join(words) == " ".join(turn.text for turn in turns if turn.channel == channel)


def test_a_recogniser_of_one_talker_is_refused():
    with pytest.raises(ParamsError, match="the recogniser must tell talkers apart, got one of one talker"):
        TurnStream(tiny_recogniser(), RATE)
