"""Postal codes and their made-up census."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from evenvoice.data.corpora.synthetic import world
from evenvoice.data.corpora.synthetic.census import STATISTICS, census_table, postal_codes
from evenvoice.data.schemas import CENSUS_KEY
from tests.builders.synthetic_world import world_of


def test_every_speaker_has_a_row_in_the_census() -> None:
    corpus = world_of(speakers=200)
    codes = corpus.census().column("postal_code").to_pylist()
    assert len(set(codes)) == len(codes) == len(world.REGIONS) * world.POSTAL_CODES_PER_REGION
    assert {recording.postal_code for recording in corpus.recordings()} <= set(codes)


def test_the_census_has_the_declared_key_and_only_float64_statistics() -> None:
    schema = world_of().census().schema
    assert schema.field("postal_code") == CENSUS_KEY
    assert schema.names[1:] == list(STATISTICS)
    assert {field.type for field in schema if field.name != "postal_code"} == {pa.float64()}


def test_shares_are_shares() -> None:
    table = census_table(postal_codes(3))
    for name in STATISTICS:
        values = table.column(name).to_numpy()
        assert values.min() > 0
        if name.startswith("share_"):
            assert values.max() < 1


def test_postal_codes_begin_with_their_regions_true_digits() -> None:
    for region, codes in zip(world.REGIONS, postal_codes(3), strict=True):
        assert all(code.code.startswith(region.postal_prefix) and len(code.code) == 5 for code in codes)


def test_statistics_differ_between_regions_and_within_them() -> None:
    rural = np.array([[code.share_rural for code in codes] for codes in postal_codes(3)])
    assert rural.mean(axis=1).std() > 0.2
    assert rural.std(axis=1).mean() > 0.06


def test_a_majority_of_the_census_is_no_region_of_the_map() -> None:
    """Regions fall on both sides of "mostly rural", so geodemographic cohorts are not geographic ones."""
    sides = [{code.share_rural > 0.5 for code in codes} for codes in postal_codes(3)]
    assert sum(side == {True, False} for side in sides) >= 2


def test_the_same_seed_gives_the_same_census() -> None:
    assert postal_codes(3) == postal_codes(3)
    assert postal_codes(3) != postal_codes(4)
