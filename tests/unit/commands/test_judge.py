"""``evenvoice judge``: the exit status is the verdict, and nothing is half-written."""

from __future__ import annotations

import json

import numpy as np
import pytest

from evenvoice.__main__ import main

QUICK = ["--set", "evaluate.replicates=300"]


def table(path, rates, speakers=40, header="id\tspeaker\ttext\tpred_text\tgender"):
    rng = np.random.default_rng(1)
    lines = [header]
    for value, rate in rates.items():
        for number in range(speakers):
            words = [f"w{word}" for word in range(80)]
            heard = " ".join(word for word in words if rng.random() > rate)
            lines.append(f"{value}{number}\t{value}-{number}\t{' '.join(words)}\t{heard}\t{value}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(("rates", "status", "verdict"), [
    ({"female": 0.1, "male": 0.1}, 0, "PASS"), ({"female": 0.22, "male": 0.08}, 1, "FAIL"),
    ({"female": 0.11, "male": 0.08}, 4, "INSUFFICIENT")])
def test_the_exit_status_is_the_verdict(tmp_path, capsys, rates, status, verdict):
    path = table(tmp_path / "hyp.tsv", rates, speakers=12 if verdict == "INSUFFICIENT" else 40)
    assert main(["judge", str(path), "--out", str(tmp_path / "out"), *QUICK]) == status
    assert capsys.readouterr().out.startswith(f"{verdict}  pred_text\n")
    content = json.loads((tmp_path / "out" / "verdict.json").read_text(encoding="utf-8"))
    assert content["verdict"] == verdict
    assert list(content["inputs"]["files"]) == [str(path)]
    assert f'<h1 class="{verdict}">' in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


def test_a_summary_for_a_pull_request_is_markdown(tmp_path, capsys):
    path = table(tmp_path / "hyp.tsv", {"female": 0.1, "male": 0.1})
    main(["judge", str(path), "--out", str(tmp_path / "out"), "--summary", "markdown", *QUICK])
    text = capsys.readouterr().out
    assert text.startswith("### PASS: equal service of pred_text\n")
    assert "| female | attributes-gender | 40 | " in text


def test_what_cannot_be_judged_is_refused_and_an_earlier_judgement_stays(tmp_path, capsys):
    path = table(tmp_path / "hyp.tsv", {"female": 0.1, "male": 0.1})
    main(["judge", str(path), "--out", str(tmp_path / "out"), *QUICK])
    before = (tmp_path / "out" / "verdict.json").read_bytes()
    assert main(["judge", str(path), "--out", str(tmp_path / "out"), "--by", "mother_tongue", *QUICK]) == 3
    assert "CorpusError: --by mother_tongue must name a column that there is" in capsys.readouterr().err
    assert (tmp_path / "out" / "verdict.json").read_bytes() == before


@pytest.mark.parametrize(("arguments", "says"), [
    (["--set", "gate.max_gap=yes"], "gate.max_gap must be a valid number"),
    (["--set", "gate.max_gapp=1"], "gate.max_gapp must be a known name"),
    (["--set", "max_gap"], "--set must be NAME=VALUE"),
    (["--normaliser", "danish"], "--normaliser must be one of none, ")])
def test_a_wrong_setting_is_refused_by_name(tmp_path, capsys, arguments, says):
    path = table(tmp_path / "hyp.tsv", {"female": 0.1, "male": 0.1})
    assert main(["judge", str(path), "--out", str(tmp_path / "out"), *arguments]) == 3
    assert says in capsys.readouterr().err


def test_a_table_of_speakers_and_kaldi_pairs_serve_as_well(tmp_path):
    rows = [line.split("\t") for line in table(tmp_path / "hyp.tsv", {"female": 0.1, "male": 0.1}).read_text(
        encoding="utf-8").splitlines()[1:]]
    for name, line in (("text", "{0} {2}"), ("hyp", "{0} {3}"), ("utt2spk", "{0} {1}")):
        (tmp_path / name).write_text("".join(line.format(*row) + "\n" for row in rows), encoding="utf-8")
    (tmp_path / "speakers.tsv").write_text("speaker\tgender\n" + "".join(
        f"{row[1]}\t{row[4]}\n" for row in rows), encoding="utf-8")
    assert main(["judge", str(tmp_path / "hyp"), "--references", str(tmp_path / "text"), "--utt2spk",
                 str(tmp_path / "utt2spk"), "--speakers", str(tmp_path / "speakers.tsv"), "--out",
                 str(tmp_path / "out"), *QUICK]) == 0


def test_a_defect_does_not_read_as_a_verdict(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("evenvoice.commands.judge.read_judging", lambda *_: 1 / 0)
    assert main(["judge", str(tmp_path / "hyp.tsv")]) == 70
    assert "This is a defect of evenvoice" in capsys.readouterr().err
