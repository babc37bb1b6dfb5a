"""The page says what the gate said, works offline, and hides what must be hidden."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from evenvoice.errors import ArtifactError
from evenvoice.params import Ingest, Report, load_params
from evenvoice.report import read_contents, render_model_card, render_page
from evenvoice.report.figures import curves_figure
from evenvoice.storage import write_json
from tests.builders.report import made_contents, write_evaluation

PARAMS = load_params(Path(__file__).parents[3] / "params.yaml")
INGEST: Ingest = PARAMS.ingest
REPORT: Report = PARAMS.report
VOID = {"meta", "br", "img", "link", "hr", "input"}


class Balance(HTMLParser):
    """Notes every tag that is closed out of order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return render_page(made_contents(tmp_path_factory.mktemp("run")), ingest=INGEST, report=REPORT, seed=1)


def test_the_verdict_and_each_reason_stand_on_the_page(tmp_path: Path) -> None:
    contents = made_contents(tmp_path)
    page = render_page(contents, ingest=INGEST, report=REPORT, seed=1)
    assert f'<h1 class="{contents.verdict["verdict"]}">{contents.verdict["verdict"]}</h1>' in page
    assert page.count("<li>") == len(contents.verdict["reasons"])


def test_nothing_on_the_page_needs_a_network(page: str) -> None:
    without_names = re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    assert not re.search(r"<script|<link|<img|@import|url\((?!#)|(?:src|href)=\"(?!#)", without_names)


def test_methods_are_compared_at_equal_counts_where_at_least_two_have_something_to_show(tmp_path: Path) -> None:
    contents = made_contents(tmp_path)
    row = {"method": "geographic", "cohorts": 2, "smallest": 20, "unplaced": 0, "spread": 0.9, "null_spread": 0.1,
           "null_spread_high": 0.2}
    one, both = (replace(contents, equal_counts=rows) for rows in ((row,), (row, {**row, "method": "clusters"})))
    assert "Which method finds more here" not in render_page(one, ingest=INGEST, report=REPORT, seed=1)
    page = render_page(both, ingest=INGEST, report=REPORT, seed=1)
    assert "Which method finds more here" in page
    assert "Spread beyond chance of each discovery method" in page


def test_tags_are_balanced(page: str) -> None:
    balance = Balance()
    balance.feed(page)
    assert balance.wrong == []
    assert balance.open == []


def test_all_six_figures_are_drawn(page: str) -> None:
    labels = re.findall(r'aria-label="([^"]*)"', page)
    assert len(labels) == 6
    assert {label.split()[0] for label in labels} == {"Word", "Regions", "Gap", "Change", "Training", "WER"}


def test_every_arm_has_its_training_curve_however_many_there_are(tmp_path: Path) -> None:
    contents = made_contents(tmp_path)
    more = {f"arm{number}": f"Arm number {number}" for number in range(9)}
    drawn = curves_figure(replace(contents, titles={**contents.titles, **more},
                                  curves={**contents.curves, **dict.fromkeys(more, contents.curves["ewc"])}))
    assert drawn is not None
    assert all(f">{title}<" in drawn for title in more.values())


def test_equal_inputs_give_equal_pages(tmp_path: Path) -> None:
    contents = made_contents(tmp_path)
    first = render_page(contents, ingest=INGEST, report=REPORT, seed=1)
    assert render_page(contents, ingest=INGEST, report=REPORT, seed=1) == first


def test_a_hidden_cohort_stands_nowhere_on_the_page(tmp_path: Path) -> None:
    contents = made_contents(tmp_path, sizes={"region-1": 4, "region-2": 12, "region-3": 60})
    page = render_page(contents, ingest=INGEST, report=REPORT, seed=1)
    assert "region-1" not in page
    assert "region-2" not in page


def test_text_from_the_corpus_cannot_become_markup(tmp_path: Path) -> None:
    contents = made_contents(tmp_path)
    contents.corpus["corpus"] = "<script>alert(1)</script>"
    assert "<script" not in render_page(contents, ingest=INGEST, report=REPORT, seed=1)


def test_what_came_in_stands_on_the_page_as_text(page: str, tmp_path: Path) -> None:
    assert "What came in" not in page
    contents = made_contents(tmp_path)
    contents.corpus["markup"] = {"policy": "keep", "recordings": 2, "kinds": {"<COMMA>": 3}}
    told = render_page(contents, ingest=INGEST, report=REPORT, seed=1)
    assert ("<tr><td class=\"n\">2</td><td>transcripts hold markup, which is trained on and scored as words: "
            "&lt;COMMA&gt; 3</td></tr>") in told


def test_the_model_card_calls_synthetic_speech_synthetic(tmp_path: Path) -> None:
    card = render_model_card(made_contents(tmp_path), ingest=INGEST, seed=1)
    assert "Nothing here says how the model serves real people." in card
    assert "| region-1 | geographic | 24 |" in card


@pytest.mark.parametrize(("lookahead_ms", "words"), [
    (0.0, "A streaming transducer without look-ahead: 1.6 M parameters"),
    (400.0, "A streaming transducer with 400 ms of look-ahead: 1.6 M parameters")])
def test_the_model_card_says_how_far_the_model_looks_ahead(tmp_path: Path, lookahead_ms: float, words: str) -> None:
    contents = made_contents(tmp_path)
    for compute in contents.compute.values():
        compute["lookahead_ms"] = lookahead_ms
    assert words in render_model_card(contents, ingest=INGEST, seed=1)


def test_the_model_card_says_that_a_model_was_judged_with_the_cohorts_it_is_told(tmp_path: Path) -> None:
    contents = made_contents(tmp_path)
    words = "It is told the cohort of each speaker, as the frozen rule of the method geographic places them."
    assert words not in render_model_card(contents, ingest=INGEST, seed=1)
    told = {**contents.training[contents.challenger], "told_cohorts_of": "geographic"}
    contents = replace(contents, training={**contents.training, contents.challenger: told})
    assert words in render_model_card(contents, ingest=INGEST, seed=1)


def test_there_is_no_page_about_figures_of_a_model_that_was_trained_anew(tmp_path: Path) -> None:
    sources = write_evaluation(tmp_path)
    write_json(sources.models / "ewc" / "config.json", {"units_sha256": "a" * 64, "weights_sha256": "newer weights"})

    with pytest.raises(ArtifactError, match=r"hypotheses of 'ewc' must come from the model in"):
        read_contents(sources, minimum=5)
