"""A scene does to speech what its numbers say."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from evenvoice.data.corpora.synthetic import acoustics
from evenvoice.data.corpora.synthetic.acoustics import SNR_BAND_HZ, Scene
from tests.builders.synthetic_world import scene

RATE = 16_000


def speech_like(seconds: float = 2.0) -> NDArray[np.float32]:
    """White noise: flat over the whole band, so that what a scene removes can be seen."""
    return 0.1 * np.random.default_rng(0).standard_normal(round(seconds * RATE)).astype(np.float32)


def heard(dry: NDArray[np.float32], where: Scene, *, background: int = 1) -> NDArray[np.float32]:
    return acoustics.record(dry, RATE, where, room=np.random.default_rng(5),
                            background=np.random.default_rng(background))


def power_between(signal: NDArray[np.float32], low_hz: float, high_hz: float) -> float:
    spectrum = np.abs(np.fft.rfft(signal)) ** 2
    frequencies = np.fft.rfftfreq(len(signal), 1 / RATE)
    return float(spectrum[(frequencies >= low_hz) & (frequencies < high_hz)].sum()) / len(signal) ** 2


@pytest.mark.parametrize("noise", ["pink", "babble", "hum"])
@pytest.mark.parametrize("snr_db", [5.0, 15.0])
def test_the_background_lies_as_far_below_speech_as_the_snr_says(noise: str, snr_db: float) -> None:
    dry = speech_like(1.0)
    clean = heard(dry, scene(tail_s=2.0))
    noisy = heard(dry, scene(noise=noise, snr_db=snr_db, tail_s=2.0))
    speech = power_between(clean[:RATE], *SNR_BAND_HZ)  # counted while there is speech, however long the rest is
    measured = 10 * np.log10(speech / power_between(noisy - clean, *SNR_BAND_HZ))
    assert measured == pytest.approx(snr_db, abs=0.5)


def test_without_noise_room_and_gain_speech_comes_back_as_it_was() -> None:
    dry = speech_like()
    same = heard(dry, scene(low_hz=1e-3, high_hz=1e6, level_dbfs=float(20 * np.log10(np.sqrt(np.mean(dry**2))))))
    assert np.allclose(same, dry, atol=1e-4)


def test_a_telephone_line_ends_where_it_says() -> None:
    line = heard(speech_like(), scene(low_hz=250, high_hz=3400))
    in_band = power_between(line, 1000, 2000)
    assert power_between(line, 4500, 5500) < 1e-3 * in_band
    assert power_between(line, 20, 100) < 1e-2 * in_band


def test_reverberation_decays_by_60_db_in_rt60() -> None:
    click = np.zeros(RATE, np.float32)
    click[0] = 1
    room = heard(click, scene(rt60_s=0.4, direct_to_reverberant_db=0, low_hz=1, high_hz=1e5))
    early, late = (np.mean(room[round(at * RATE):round((at + 0.02) * RATE)] ** 2) for at in (0.05, 0.25))
    assert 10 * np.log10(early / late) == pytest.approx(60 * 0.2 / 0.4, abs=3)


def test_reverberation_has_the_energy_that_the_direct_sound_leaves_it() -> None:
    click = np.zeros(RATE, np.float32)
    click[100] = 1
    room = heard(click, scene(rt60_s=0.3, direct_to_reverberant_db=6, low_hz=1e-3, high_hz=1e6)).astype(np.float64)
    reverberant = np.sum(room[110:] ** 2)
    assert 10 * np.log10(room[100] ** 2 / reverberant) == pytest.approx(6, abs=0.1)


def test_speech_has_the_level_asked_for() -> None:
    loud = heard(speech_like(), scene(level_dbfs=-20))
    assert 10 * np.log10(np.mean(loud**2)) == pytest.approx(-20, abs=0.1)


def test_nothing_is_ever_clipped() -> None:
    assert np.abs(heard(speech_like(), scene(level_dbfs=0, snr_db=0))).max() <= 0.951


def test_background_leads_in_and_trails_off() -> None:
    dry = speech_like(1.0)
    recording = heard(dry, scene(snr_db=20, lead_s=0.2, tail_s=0.4))
    assert len(recording) == len(dry) + round(0.6 * RATE)
    lead, spoken, tail = np.split(recording, [round(0.2 * RATE), round(1.2 * RATE)])
    assert 0 < lead.std() < 0.3 * spoken.std()
    assert 0 < tail.std() < 0.3 * spoken.std()


def test_hum_stands_on_the_harmonics_of_the_mains() -> None:
    hum = heard(speech_like() * np.float32(1e-6), scene(noise="hum", snr_db=-60))
    assert power_between(hum, 355, 365) > 3 * power_between(hum, 325, 335)


def test_babble_swells_and_fades_as_talk_does() -> None:
    def swing(noise: str) -> float:
        recording = heard(speech_like(4.0) * np.float32(1e-6), scene(noise=noise, snr_db=-60, low_hz=200))
        levels = np.array([frame.std() for frame in np.array_split(recording, 40)])
        return float(levels.std() / levels.mean())

    assert swing("babble") > 1.5 * swing("pink")
