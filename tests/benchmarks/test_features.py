"""The benchmark of features at toy size: every candidate has its line, measured or not."""

import pytest

from benchmarks.features import SETTINGS, measure, show


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # of lhotse with numpy 2
def test_peers_and_both_ways_to_store_audio_are_measured(capsys):
    result = measure(minutes=0.1, corpus_minutes=0.2, turns=1)
    assert result["settings"] == SETTINGS.model_dump()
    assert [(figure["candidate"], figure["load"]) for figure in result["log_mel"]] == [
        (candidate, load) for load in ("utterances of 2 to 8 s", "one utterance of 15 s")
        for candidate in ("evenvoice", "kaldi-native-fbank", "torch.stft alone", "lhotse Fbank")]
    assert all(figure["ours_over_it"] or figure["note"].startswith("not measured") for figure in result["log_mel"])
    wav, flac = result["bytes_to_disk"]
    assert (wav["audio"], flac["audio"]) == ("wav", "flac")
    assert wav["megabytes_per_hour"] > flac["megabytes_per_hour"] > 0
    show(result)
    assert "bytes to disk, wav" in capsys.readouterr().out
