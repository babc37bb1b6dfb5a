"""The index of millions, at a size for tests: every part of it, and what a recording costs in memory."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.index_scale import planned, sharded, trained, write_index

ROOT = Path(__file__).resolve().parents[2]
HELD = """
import gc, sys
from pathlib import Path
from benchmarks.index_scale import anonymous_bytes
from evenvoice.data.feature_store import FeatureStore
few, many = map(Path, sys.argv[1:])
FeatureStore.open(few).texts.tolist()  # what libraries need once does not count
gc.collect()
before = anonymous_bytes()
store = FeatureStore.open(many)
gc.collect()
print((anonymous_bytes() - before) / len(store))
"""


def test_descriptions_are_split_and_every_one_is_in_a_unit():
    [looked, cut, share] = planned(20_000, shards=1).values()
    assert looked.found["passed"] == share.found["recordings"] == 20_000
    assert sum(looked.found["speakers"].values()) == 223
    assert cut.found["units"] == share.found["units"] > 5


def test_the_last_share_has_its_part_alone():
    [_, cut, share] = planned(20_000, shards=4).values()
    assert 0 < share.found["units"] <= cut.found["units"] / 4 + 1


def test_a_hundred_thousand_hours_are_worked_on_in_hundreds_of_shards():
    found = sharded(72_000_000)
    assert found["shards"] > 500
    assert found["gb_of_one"] < 9


def test_an_epoch_holds_all_training_recordings(tmp_path):
    write_index(tmp_path / "features", 5000)
    [opened, epoch] = trained(tmp_path / "features").values()
    assert opened.found["recordings"] == 5000
    assert epoch.found["recordings"] == 4460


@pytest.mark.science
def test_the_store_holds_at_most_64_bytes_of_a_recording(tmp_path):
    write_index(tmp_path / "few", 3000)
    write_index(tmp_path / "many", 250_000)
    done = subprocess.run([sys.executable, "-c", HELD, tmp_path / "few", tmp_path / "many"], capture_output=True,
                          text=True, check=True, cwd=ROOT)
    assert float(done.stdout) <= 64
