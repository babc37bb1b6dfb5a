"""A census that knows nobody's postal code is refused, with the reason."""

from __future__ import annotations

import pyarrow as pa
import pytest

from evenvoice.data.census import checked_census
from evenvoice.data.census_match import Match, demand_match, match
from evenvoice.errors import CorpusError


def census(*codes: str) -> pa.Table:
    columns = {"postal_code": pa.array(codes, pa.string()), "rural": pa.array([0.5] * len(codes), pa.float64())}
    return checked_census(pa.table(columns), name="made up")


BOSTON = census(*(f"{number:05d}" for number in range(2100, 2112)))
LOST = [str(number) for number in range(2100, 2112)]


def refusal(codes: list[str | None], table: pa.Table) -> CorpusError:
    with pytest.raises(CorpusError) as caught:
        demand_match(codes, table, name="census.csv")
    return caught.value


def test_speakers_with_a_code_and_with_a_match_are_counted() -> None:
    found = match(["02100", "02100", "99999", None], BOSTON)
    assert found == Match(rows=12, speakers=4, with_code=3, matched=2)
    assert found.summary() == {"rows": 12, "speakers": 4, "with_code": 3, "matched": 2, "share_without_match": 0.5}


def test_lost_zeros_are_told_with_codes_of_both_sides() -> None:
    assert str(refusal([*LOST], BOSTON)) == (
        "census census.csv must hold the codes of more than 10% of the speakers who have one, got those of 0 of 12 "
        "(speakers have '2100', '2101', '2102', the census has '02100', '02101', '02102') instead. "
        "Leading zeros were lost on one side: write the codes there as text, with their zeros.")


@pytest.mark.parametrize(("codes", "table", "advice"), [
    (["02100"], census("2100"), "Leading zeros were lost"),
    (["sw1a 1aa"], census("SW1A 1AA"), "upper and lower case"),
    (["SW1A1AA"], census("SW1A 1AA"), "spaces or hyphens"),
    (["021001234"], census("02100-1234"), "spaces or hyphens"),
    (["02100-1234", "02101-1234"], BOSTON, "have 10 characters, those of the census 5"),
    (["B1", "C12"], census("1234", "123456"), "have 2 to 3 characters, those of the census 4 to 6"),
    (["90210"], BOSTON, "one country"),
    ([None, None], BOSTON, "Fill in the column postal_code"),
    (["02100"], census(), "The census is empty"),
])
def test_the_advice_fits_the_difference(codes: list[str | None], table: pa.Table, advice: str) -> None:
    assert advice in refusal(codes, table).action


def test_nine_of_ten_without_a_match_are_too_many_and_fewer_are_not() -> None:
    assert str(refusal(["02100", *["99999"] * 9], BOSTON).value).startswith("those of 1 of 10 ")
    demand_match(["02100", *["99999"] * 8], BOSTON, name="census.csv")
    demand_match(["02100"], BOSTON, name="census.csv")


def test_a_corpus_in_which_few_gave_their_code_is_not_refused() -> None:
    demand_match(["02100", *[None] * 99], BOSTON, name="census.csv")
