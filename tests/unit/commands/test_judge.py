"""``evenvoice judge``: the exit status is the verdict, and nothing is half-written."""

from __future__ import annotations

import json
import re
import subprocess
import sys

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


HEADER = "id\tspeaker\ttext\tpred_text\tgender\taccent\n"


@pytest.mark.parametrize(("rows", "by", "says"), [
    (["1 a one one female x", "2 b one one male y"], "tone", "--by tone must name a column that there is, got only"),
    (["1 a one one female x", "2 a one one male x"], None, "in line 3 of .* must have one gender, got 'male', and"),
    (["1 a one one female x", "1 b one one male x"], None, "line 3 of .*, utterance '1' must come once"),
    (["1 a one one female x", "2 b ... one male x"], None, "line 3 of .*, utterance '2' must hold a word when"),
    (["1 a one one female x", "2 b one one male x"], "accent", "have two values or more, got 'x' for every speaker"),
    (["1 a one one female x", "2 b one one male y"], "accent", "fewer values than speakers, got 2 values of 2 speak"),
    (["1 a one one female x", "2  one one male y"], None, "line 3 of .*, utterance '2' must have a speaker"),
    (["1 a one one female x", "2 b one male y"], None, "line 3 of .* must have 6 columns, got 5")],
    ids=["unknown column", "two genders", "duplicated id", "empty reference", "a group of all speakers",
         "a value of each speaker", "no speaker", "no hypothesis"])
def test_a_table_that_cannot_be_judged_is_refused_by_what_is_wrong(tmp_path, capsys, rows, by, says):
    path = tmp_path / "hyp.tsv"
    path.write_text(HEADER + "".join(row.replace(" ", "\t") + "\n" for row in rows), encoding="utf-8")
    out = tmp_path / "out"
    assert main(["judge", str(path), "--out", str(out), *(["--by", by] if by else [])]) == 3
    assert re.search(f"^CorpusError: .*{says}", capsys.readouterr().err)
    assert not out.exists()


def test_hypotheses_of_other_utterances_than_the_references_are_refused(tmp_path, capsys):
    for name, lines in (("ref", "u1 one\nu2 two\n"), ("hyp", "u1 one\nu3 two\n"), ("utt2spk", "u1 a\nu2 b\n")):
        (tmp_path / name).write_text(lines, encoding="utf-8")
    assert main(["judge", str(tmp_path / "hyp"), "--references", str(tmp_path / "ref"), "--utt2spk",
                 str(tmp_path / "utt2spk"), "--out", str(tmp_path / "out")]) == 3
    assert re.search("hyp must be about the utterances of .*ref, got nothing about 'u2'", capsys.readouterr().err)


@pytest.mark.parametrize("option", ["--speakers", "--embeddings", "--references", "--utt2spk"])
def test_a_file_that_is_not_there_is_named(tmp_path, capsys, option):
    path = table(tmp_path / "hyp.tsv", {"female": 0.1, "male": 0.1}, speakers=1)
    assert main(["judge", str(path), "--out", str(tmp_path / "out"), option, str(tmp_path / "gone.tsv")]) == 3
    assert "gone.tsv must be a file that can be read, got No such file or directory" in capsys.readouterr().err


def test_a_folder_of_something_else_is_not_replaced(tmp_path, capsys, monkeypatch):
    path = table(tmp_path / "hyp.tsv", {"female": 0.1, "male": 0.1}, speakers=1)
    monkeypatch.chdir(tmp_path)
    for out in (str(tmp_path), ".", str(path), ".."):
        assert main(["judge", str(path), "--out", out]) == 3
        assert f"--out {out} must be a new folder, or that of an earlier judgement" in capsys.readouterr().err
    assert path.exists()


@pytest.mark.parametrize(("arguments", "says"), [
    (["--set", "gate.max_gap=yes"], "gate.max_gap must be a valid number"),
    (["--set", "gate.max_gapp=1"], "gate.max_gapp must be a known name"),
    (["--set", "max_gap"], "--set must be NAME=VALUE"),
    (["--settings", "gone.yaml"], "gone.yaml must be a file of settings, got no such file"),
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


def test_a_missing_package_does_not_read_as_a_verdict():
    code = ("import sys; sys.modules['pyarrow'] = None; from evenvoice.__main__ import main; "
            "sys.exit(main(['judge', 'x']))")
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 70
    assert "pyarrow" in ended.stderr
