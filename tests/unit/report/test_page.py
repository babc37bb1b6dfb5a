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
from evenvoice.wanted.wording import Forecast
from tests.builders.report import made_contents, write_evaluation
from tests.builders.wanted import written

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
    assert page.count("<li>") == len(contents.verdict["reasons"]) + len(contents.folded)


def test_what_does_not_fit_into_five_lines_is_folded_under_them(tmp_path: Path) -> None:
    contents = made_contents(tmp_path)
    verdict = {**contents.verdict, "reasons": ["first"], "undecided": ["open 1", "open 2"], "further": ["behind"]}
    page = render_page(replace(contents, verdict=verdict), ingest=INGEST, report=REPORT, seed=1)
    assert re.search(r"<details><summary>Every check that is undecided, and what else there is to say: 3</summary>"
                     r"<ul class=\"reasons\"><li>open 1</li><li>open 2</li><li>behind</li></ul></details>", page)


def test_what_was_healed_stands_on_the_page_and_on_the_card(tmp_path: Path) -> None:
    contents = made_contents(tmp_path)
    sentence = contents.verdict["healed"]["sentence"]
    assert re.match(r"region-1 -3\d % \(-3\d to -2\d %\), everyone -1\d % \(.*\), variance over geographic cohorts "
                    r"-\d\d % \(.*\); the control placebo: -?\d %, ", sentence)
    assert sentence in render_page(contents, ingest=INGEST, report=REPORT, seed=1).replace("\u00a0", " ")
    assert sentence in render_model_card(contents, ingest=INGEST, seed=1)


def test_figures_of_others_stand_beside_those_of_the_run_and_are_called_claims(page: str) -> None:
    rows = re.findall(r'<tr><td>([^<]*)</td><td class="n">([^<]*)</td><td>arXiv[^<]*</td><td class="n">([^<]*)</td>',
                      page)
    assert [claimed for _, claimed, _ in rows] == ["-3.2 %", "-1.3 %", "-7.9 %", "41.7 % / 65.0 %", "0.8 % / 10.0 %",
                                                   "56 % to 40 %"]
    here = {figure.split(",")[0]: found for figure, _, found in rows}
    assert here["WER of the worst cohort"].startswith("-3")
    assert re.fullmatch(r"\d+\.\d % geographic", here["gap"])
    assert "claimed by others" in page


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


def test_watched_cohorts_have_a_forest_of_their_own_and_no_map(tmp_path: Path) -> None:
    page = render_page(made_contents(tmp_path, watched=True), ingest=INGEST, report=REPORT, seed=1)
    assert "Word error rate per cohort, watched" in page
    assert "3 cohorts of an earlier run: region-1 had 24.0 % WER on discover speakers then" in page
    assert page.count("Regions of the geographic tree, shaded by word error rate") == 1


def test_arms_that_did_not_run_are_named_in_one_line(page: str) -> None:
    assert "Skipped in this run, since <code>mitigate.arms</code> does not list them: frozen, interpolate, " in page


def test_trials_of_an_arm_stand_in_the_details_with_the_one_that_was_kept(page: str) -> None:
    [first, second] = re.findall(r"<td>(learning rate [^<]*)</td>.*?<td>(✓?)</td>", page)
    assert first == ("learning rate 0.001, steps 60", "✓")
    assert second == ("learning rate 0.002, steps 60", "")


def test_tags_are_balanced(page: str) -> None:
    balance = Balance()
    balance.feed(page)
    assert balance.wrong == []
    assert balance.open == []


def test_all_seven_figures_are_drawn(page: str) -> None:
    labels = re.findall(r'aria-label="([^"]*)"', page)
    assert len(labels) == 7
    assert {label.split()[0] for label in labels} == {"Word", "Regions", "Gap", "Change", "Training", "WER"}


def test_every_arm_has_its_training_curve_however_many_there_are(tmp_path: Path) -> None:
    contents = made_contents(tmp_path)
    more = {f"arm{number}": f"Arm number {number}" for number in range(9)}
    drawn = curves_figure(replace(contents, titles={**contents.titles, **more},
                                  curves={**contents.curves, **dict.fromkeys(more, contents.curves["ewc"])}))
    assert drawn is not None
    assert all(f">{title}<" in drawn for title in more.values())


def test_arms_that_weigh_recordings_show_how_many_of_a_batch_still_count(tmp_path: Path) -> None:
    contents = made_contents(tmp_path)
    without = curves_figure(contents)
    shares = tuple({**row, "effective_share": 0.8} for row in contents.curves["reweight"])
    drawn = curves_figure(replace(contents, curves={**contents.curves, "reweight": shares}))
    assert without is not None
    assert drawn is not None
    assert "effective sample size" not in without
    assert "effective sample size" in drawn


def test_equal_inputs_give_equal_pages(tmp_path: Path) -> None:
    contents = made_contents(tmp_path)
    first = render_page(contents, ingest=INGEST, report=REPORT, seed=1)
    assert render_page(contents, ingest=INGEST, report=REPORT, seed=1) == first


def test_a_hidden_cohort_stands_nowhere_on_the_page(tmp_path: Path) -> None:
    contents = made_contents(tmp_path, sizes={"region-1": 4, "region-2": 12, "region-3": 60})
    page = render_page(contents, ingest=INGEST, report=REPORT, seed=1)
    assert "region-1" not in page
    assert "region-2" not in page
    assert contents.verdict["healed"]["sentence"].startswith("everyone")
    assert all(contents.changes(arm)[0] is contents.changes(arm)[2] is None for arm in contents.arms)
    assert all(candidate["chosen_by_wer"] is None for candidate in contents.selection["candidates"])


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


def test_whose_speech_is_wanted_is_said_and_drawn_but_not_of_a_cohort_too_small_to_show(tmp_path: Path) -> None:
    contents = made_contents(tmp_path / "all")
    assert contents.verdict["wanted"]["cohort"] == "region-1"
    few = made_contents(tmp_path / "few", minimum=25)
    assert few.verdict["wanted"] is None
    page = render_page(few, ingest=INGEST, report=REPORT, seed=1)
    assert "Whose speech is wanted" not in page


def test_a_refused_forecast_is_said_without_a_figure(tmp_path: Path) -> None:
    contents = made_contents(tmp_path)
    refused = Forecast(refused="wanted.learn is false", method="geographic")
    silent = replace(contents, verdict={**contents.verdict, "wanted": written(refused)})
    page = render_page(silent, ingest=INGEST, report=REPORT, seed=1)
    assert "is not forecast: wanted.learn is false." in page
    assert 'id="wanted"' not in page


def test_what_an_amortized_model_saves_and_who_gets_the_rest_stands_on_the_page(tmp_path: Path) -> None:
    page = render_page(made_contents(tmp_path, saving=True), ingest=INGEST, report=REPORT, seed=1)
    saving = page.partition('<section class="card" id="saving">')[2].partition("</section>")[0]
    assert saving.count("<svg") == 2
    assert "Rank correlation over 114 test speakers" in saving
    assert ": it holds here." in saving
    assert re.search(r"region-1</td><td>geographic</td><td class=\"n\">24</td><td class=\"n\">54.0 %</td>", saving)
    balance = Balance()
    balance.feed(page)
    assert not balance.wrong


def test_the_computation_of_a_hidden_cohort_stands_nowhere(tmp_path: Path) -> None:
    contents = made_contents(tmp_path, saving=True, sizes={"region-1": 3, "region-2": 30, "region-3": 60})
    assert {row["cohort"] for row in contents.saving if row["split"] == "test"} == {"whole", "region-3"}
    assert "geographic/region-1" not in contents.verdict["saving"]["regression"]


def test_a_page_without_an_amortized_model_does_not_speak_of_saving(page: str) -> None:
    assert 'id="saving"' not in page
