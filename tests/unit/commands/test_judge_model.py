"""``evenvoice judge --model``: what is given must be one thing to judge."""

from __future__ import annotations

import pytest

from evenvoice.__main__ import main


@pytest.mark.parametrize(("arguments", "says"), [
    ([], "give HYPOTHESES, or --model and --corpus"),
    (["--corpus", "speech"], "--corpus comes with --model"),
    (["--model", "models:/a/1"], "--model comes with --corpus"),
    (["hyp.tsv", "--model", "models:/a/1", "--corpus", "speech"], "--model takes the place of hypotheses"),
    (["--references", "ref.trn", "--model", "models:/a/1", "--corpus", "c"], "--model takes the place of references"),
    (["--model", "models:/a/1", "--corpus", "c", "--batch", "0"], "must be a number of at least 1, got 0 instead"),
    (["--model", "models:/a/1", "--corpus", "c", "--time-limit", "nan"], "must be a number of seconds, got nan"),
    (["--model", "models:/a/1", "--corpus", "c", "--feed", "video"], "invalid choice: 'video'")])
def test_wrong_usage_ends_with_2(capsys, arguments, says):
    with pytest.raises(SystemExit) as ended:
        main(["judge", *arguments])
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_a_corpus_that_cannot_be_heard_is_refused_before_a_model_is_looked_for(tmp_path, capsys):
    assert main(["judge", "--model", "models:/a/1", "--corpus", str(tmp_path / "nowhere"), "--out",
                 str(tmp_path / "judged")]) == 3
    assert f"corpus {tmp_path / 'nowhere'} must exist" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
