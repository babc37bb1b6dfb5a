"""Usual names of the column that names the audio; apart, since it is asked for where neither Arrow nor NumPy is."""

from typing import Final

PATH: Final = ("path", "audio_filepath", "audio")
