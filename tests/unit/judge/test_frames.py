"""The Python call: a table at hand, of pandas or Arrow."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from evenvoice.errors import CorpusError
from evenvoice.judge import judge_table
from evenvoice.judge.settings import read_judging

QUICK = read_judging(changes=("evaluate.replicates=300",))


def frame(rates):
    rng = np.random.default_rng(1)
    rows = []
    for value, rate in rates.items():
        for number in range(40):
            words = [f"w{word}" for word in range(80)]
            rows.append({"utterance": f"{value}{number}", "speaker": f"{value}-{number}", "text": " ".join(words),
                         "pred_text": " ".join(word for word in words if rng.random() > rate), "gender": value})
    return pd.DataFrame(rows)


@pytest.mark.parametrize("made", [lambda table: table, pa.Table.from_pandas], ids=["pandas", "arrow"])
def test_a_table_at_hand_is_judged_as_a_file_is(made):
    assert judge_table(made(frame({"female": 0.1, "male": 0.1})), settings=QUICK).judged.outcome == "PASS"
    assert judge_table(made(frame({"female": 0.25, "male": 0.1})), settings=QUICK).judged.outcome == "FAIL"


def test_what_is_known_of_speakers_may_stand_in_a_table_of_its_own():
    heard = frame({"female": 0.25, "male": 0.1})
    speakers = heard[["speaker", "gender"]].rename(columns={"gender": "device"})
    told = judge_table(heard.drop(columns="gender"), speakers=speakers, by="device", settings=QUICK)
    assert told.judged.outcome == "FAIL"
    assert {partition.method for partition in told.judged.cohorts.partitions} == {"attributes-device"}


def test_a_row_at_fault_is_named():
    heard = frame({"female": 0.1, "male": 0.1})
    with pytest.raises(CorpusError, match=r"row 81 of the table\.parquet, utterance 'female0' must come once"):
        judge_table(pd.concat([heard, heard.head(1)]), settings=QUICK)


def test_something_else_is_refused():
    with pytest.raises(CorpusError, match="the table must be an Arrow table or a pandas data frame, got list"):
        judge_table([1], settings=QUICK)
