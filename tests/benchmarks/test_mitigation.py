"""The benchmark of mitigation: what is trained, what figures say of made-up counts, and a real trial at toy size."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from benchmarks import mitigation, whole_runs
from benchmarks.bakeoff.corpus import Corpus
from benchmarks.pareto import trial
from benchmarks.pareto.changes import Seed, Standing, standings
from benchmarks.pareto.figure import pareto_figure
from benchmarks.pareto.goal import answer
from benchmarks.pareto.over_seeds import OverSeeds
from benchmarks.pareto.plan import SWEPT, Point, points
from benchmarks.pareto.table import markdown, seeds_markdown, standing_record
from benchmarks.pareto.trial import Study
from evenvoice.data.schemas import COHORTS
from evenvoice.data.tables import read_table, rows_table, write_table
from evenvoice.errors import TrainingError, WorkspaceError
from evenvoice.metrics.bootstrap import Interval
from evenvoice.params import ARMS, CONTROLS, load_params, parse_params
from evenvoice.storage import read_json, write_json
from tests.builders.tables import Made, made_partition, made_split, no_partition

SETTLED = whole_runs.settled_values({})
PLAN = points(SETTLED)
REPLICATES = 300
MARGIN = 0.03
GROUPS = {"south": Made(60, 0.4), "north": Made(100, 0.1), "east": Made(100, 0.12)}
PARTITION = made_partition({"south": 0.4, "north": 0.1, "east": 0.12})


def seed(number: int, arms: Mapping[str, float | Mapping[str, float]], plan: list[Point] | None = None) -> Seed:
    """One seed under arms of known effect; those that are not named do what the base does."""
    effects = dict.fromkeys((point.name for point in plan or []), 1.0) | dict(arms)
    return Seed(seed=number, table=made_split(GROUPS, effects), partition=PARTITION)


def noisy(number: int, plan: list[Point], effect: Mapping[str, tuple[float, float]], spread: float = 0.0) -> Seed:
    """A seed whose errors are Poisson; ``effect`` is what a model makes of the bottom's WER and of everyone else's."""
    rng = np.random.default_rng(number)
    clean = made_split(GROUPS).table("base")
    is_bottom = np.arange(len(clean.words)) < GROUPS["south"].speakers
    rates = clean.errors * rng.gamma(4, 1 / 4, len(clean.words))
    made = made_split(GROUPS, dict.fromkeys((point.name for point in plan), 1.0))
    errors = {}
    for model in made.errors:
        bottom, rest = effect.get(model, (1.0, 1.0))
        factor = np.where(is_bottom, bottom, rest) * np.exp(spread * rng.normal())
        errors[model] = rng.poisson(rates * (factor if model != "base" else 1.0))
    return Seed(seed=number, table=replace(made, errors=errors), partition=PARTITION)


def by_name(lines: list[Standing]) -> dict[str, Standing]:
    return {line.point.name: line for line in lines}


def one(arm: str, value: float | None = None, setting: str = "weight") -> Point:
    return Point(arm=arm, setting="" if value is None else setting, value=value, steps=100, learning_rate=0.0005)


STEPS = load_params().mitigate.trials[0].steps
FINETUNE = [one("finetune", steps, "steps") for steps in (50.0, 100.0)]


def test_every_arm_and_every_control_is_in_the_plan_and_swept_ones_have_a_curve() -> None:
    assert list(dict.fromkeys(point.arm for point in PLAN)) == list(ARMS)
    assert {point.arm for point in PLAN if point.control} == set(CONTROLS)
    assert len({point.name for point in PLAN}) == len(PLAN)
    for arm, (_, values) in SWEPT.items():
        assert len([point for point in PLAN if point.arm == arm]) == len(values)
    assert [point.steps for point in PLAN if point.arm == "finetune"] == [STEPS // 4, STEPS // 2, STEPS, 2 * STEPS]
    assert {point.steps for point in PLAN if point.arm != "finetune"} == {STEPS}


@pytest.mark.parametrize("point", PLAN, ids=lambda point: point.name)
def test_every_point_is_a_valid_set_of_parameters_that_trains_one_trial(point: Point) -> None:
    params = parse_params(whole_runs.settled_values(point.values()), "the plan")
    assert [(one.steps, one.learning_rate) for one in params.mitigate.trials] == [(point.steps, point.learning_rate)]
    assert point.arm in params.mitigate.arms
    if point.value is not None and point.setting != "steps":
        assert point.value in (found := getattr(params.arms, point.arm).model_dump()[point.setting], *np.ravel(found))


def test_interpolation_is_made_from_the_fine_tuning_of_the_steps_that_all_arms_have() -> None:
    origins = {point.made_from(PLAN) for point in PLAN if point.arm == "interpolate"}
    assert {(origin.arm, origin.steps) for origin in origins if origin} == {("finetune", STEPS)}
    assert {point.made_from(PLAN) for point in PLAN if point.arm != "interpolate"} == {None}
    assert {point.arm for point in points(SETTLED, ["interpolate"])} == {"finetune", "interpolate"}


def test_changes_are_those_that_were_put_in() -> None:
    arm = one("ewc", 0.01)
    effects = {arm.name: {"south": 0.5, "north": 1.2, "east": 1.0}}
    [line] = standings([seed(number, effects, [arm]) for number in (1, 2, 3)], [arm], replicates=REPLICATES)
    before = sum(made.speakers * made.wer for made in GROUPS.values())
    assert line.bottom.estimate == pytest.approx(-0.5, abs=0.01)
    assert line.top.estimate == pytest.approx(0.2, abs=0.01)
    assert line.whole.estimate == pytest.approx((-0.5 * 60 * 0.4 + 0.2 * 100 * 0.1) / before, abs=0.01)
    assert line.bottom_seeds == pytest.approx((line.bottom.estimate,) * 3)
    assert line.variance.estimate < -0.5
    assert line.bottom.low <= line.bottom.estimate <= line.bottom.high < 0


def test_a_model_that_changes_nothing_has_changed_nothing_for_certain() -> None:
    [line] = standings([seed(number, {}, [one("placebo")]) for number in (1, 2)], [one("placebo")],
                       replicates=REPLICATES)
    assert [line.bottom, line.whole, line.variance] == [Interval(0, 0, 0)] * 3


def test_with_one_seed_the_interval_is_that_of_its_speakers_and_seeds_that_differ_widen_it() -> None:
    plan = [one("ewc", 0.01)]
    [alone] = standings([noisy(1, plan, {})], plan, replicates=REPLICATES)
    [calm] = standings([noisy(number, plan, {}) for number in range(1, 6)], plan, replicates=REPLICATES)
    [wild] = standings([noisy(number, plan, {}, 0.5) for number in range(1, 6)], plan, replicates=REPLICATES)
    assert alone.whole.low < alone.whole.estimate < alone.whole.high
    assert calm.whole.high - calm.whole.low < alone.whole.high - alone.whole.low
    assert wild.whole.high - wild.whole.low > 2 * (calm.whole.high - calm.whole.low)


@pytest.mark.parametrize("between", [0.0, 1.0, 3.0])
def test_intervals_hold_about_as_often_as_they_say_whatever_seeds_differ_by(between: float) -> None:
    rng, speakers, held = np.random.default_rng(3), 40, 0
    for _ in range(400):
        figures_NS = np.sqrt(speakers) * rng.normal(size=(5, speakers)) + between * rng.normal(size=(5, 1))
        drawn_NRS = figures_NS[:, rng.integers(0, speakers, (60, speakers))]
        interval = OverSeeds(figures_NS.mean(axis=1), drawn_NRS.mean(axis=2), np.full(5, speakers - 1.0)).interval(0.95)
        held += interval.low <= 0 <= interval.high
    assert 0.92 <= held / 400 <= 0.99


def test_a_difference_of_two_models_knows_that_they_heard_the_same_speakers() -> None:
    rng = np.random.default_rng(1)
    both_NR = rng.normal(size=(3, 200))
    shared = OverSeeds(np.zeros(3), both_NR, np.full(3, 20.0))
    shifted = OverSeeds(np.full(3, 0.5), both_NR + 0.5, np.full(3, 20.0))
    assert (shifted - shared).interval(0.95) == Interval(*[pytest.approx(0.5)] * 3)


FINE_TUNED = {"finetune-steps-50": {"south": 0.9, "north": 1.0, "east": 1.0},
              "finetune-steps-100": {"south": 0.8, "north": 1.2, "east": 1.2}}


def test_fine_tuning_is_held_against_an_arm_where_its_curve_has_the_same_bottom_gain() -> None:
    plan = [*FINETUNE, one("ewc", 0.01)]
    halfway = {"ewc-weight-0.01": {"south": np.sqrt(0.9 * 0.8), "north": 1.0, "east": 1.0}}
    lines = by_name(standings([seed(number, FINE_TUNED | halfway, plan) for number in (1, 2)], plan,
                              replicates=REPLICATES))
    wholes = [lines[name].whole.estimate for name in FINE_TUNED]
    expected = (1 + lines["ewc-weight-0.01"].whole.estimate) / np.sqrt((1 + wholes[0]) * (1 + wholes[1])) - 1
    found = lines["ewc-weight-0.01"].against
    assert found is not None
    assert found.estimate == pytest.approx(expected, abs=0.004)
    assert not lines["ewc-weight-0.01"].beyond
    assert lines["finetune-steps-50"].against is None


def test_an_arm_on_fine_tunings_own_curve_is_no_better_than_it() -> None:
    plan = [*FINETUNE, one("ewc", 0.01)]
    same = {"ewc-weight-0.01": FINE_TUNED["finetune-steps-50"]}
    lines = by_name(standings([seed(1, FINE_TUNED | same, plan)], plan, replicates=REPLICATES))
    found = lines["ewc-weight-0.01"].against
    assert found is not None
    assert found.estimate == pytest.approx(0, abs=1e-12)


def test_a_gain_that_fine_tuning_never_reaches_is_held_against_its_largest() -> None:
    plan = [*FINETUNE, one("ewc", 0.01)]
    more = {"ewc-weight-0.01": {"south": 0.5, "north": 1.0, "east": 1.0}}
    lines = by_name(standings([seed(1, FINE_TUNED | more, plan)], plan, replicates=REPLICATES))
    line, most = lines["ewc-weight-0.01"], lines["finetune-steps-100"]
    assert line.beyond
    assert line.against is not None
    assert line.against.estimate == pytest.approx((1 + line.whole.estimate) / (1 + most.whole.estimate) - 1)
    assert "never reached" in markdown(list(lines.values()))


def test_equal_arms_are_seldom_called_better_than_fine_tuning() -> None:
    plan, called = [*FINETUNE, one("ewc", 0.01)], 0
    effect = {"finetune-steps-50": (0.9, 1.0), "finetune-steps-100": (0.8, 1.1), "ewc-weight-0.01": (0.85, 1.05)}
    for trial_number in range(60):
        seeds = [noisy(10 * trial_number + number, plan, effect) for number in range(5)]
        against = by_name(standings(seeds, plan, replicates=100))["ewc-weight-0.01"].against
        called += against is not None and against.high < 0
    assert called <= 6


def test_controls_never_stand_on_the_front_and_who_is_beaten_in_both_does_not() -> None:
    plan = [*FINETUNE, one("ewc", 0.01), one("l2sp", 0.01), one("placebo")]
    effects = FINE_TUNED | {"ewc-weight-0.01": 0.7, "l2sp-weight-0.01": 0.95, "placebo": 0.2}
    lines = by_name(standings([seed(1, effects, plan)], plan, replicates=REPLICATES))
    assert {name for name, line in lines.items() if line.front} == {"ewc-weight-0.01"}
    assert lines["placebo"].against is None


def nobody_worse_off(number: int) -> Seed:
    return Seed(seed=number, table=made_split(GROUPS), partition=no_partition("geographic"))


def test_a_seed_in_which_nobody_is_worse_off_is_left_out_and_named() -> None:
    plan = [one("ewc", 0.01)]
    seeds = [seed(1, {"ewc-weight-0.01": 0.9}, plan), nobody_worse_off(2)]
    [line] = standings(seeds, plan, replicates=REPLICATES)
    assert len(line.bottom_seeds) == 1
    assert "| 2 | - (left out: geographic found no two cohorts) | 0 |" in seeds_markdown(seeds)
    assert standings(seeds[1:], plan) == []


def test_a_bottom_cohort_without_two_test_speakers_is_not_measured() -> None:
    table = made_split({"south": Made(1, 0.4), "north": Made(20, 0.1)}, {"placebo": 1.0})
    lonely = Seed(seed=1, table=table, partition=PARTITION)
    assert lonely.left_out == "1 test speakers of the bottom cohort"
    assert standings([lonely], [one("placebo")]) == []


def said(effects: Mapping[str, float | Mapping[str, float]], plan: list[Point]) -> Any:
    return answer(standings([seed(number, effects, plan) for number in (1, 2, 3)], plan, replicates=REPLICATES), MARGIN)


def test_the_answer_says_both_halves_of_the_goal_with_their_figures() -> None:
    plan = [*FINETUNE, one("ewc", 0.01), one("placebo")]
    found = said(FINE_TUNED | {"finetune-steps-100": {"south": 0.8, "north": 1.4, "east": 1.4},
                               "ewc-weight-0.01": {"south": 0.81, "north": 0.99, "east": 0.99}}, plan)
    assert (found.better, found.better_together, found.healed) == (True, True, True)
    assert found.sentence.startswith("Goal reached: on the Pareto front and strictly better than fine-tuning at equal "
                                     "bottom gain: ewc, most surely ewc (weight 0.01) with the whole -")
    assert ("ewc (weight 0.01) lowers the bottom by 15 % or more with the whole not worse, the most of those that keep "
            "the top cohort within the margin: bottom -1") in found.sentence
    nothing = "+0.0 % (+0.0 to +0.0)"
    assert f"the control placebo: bottom {nothing}, top {nothing}, whole {nothing}." in found.sentence


def test_who_heals_by_levelling_down_is_named_only_where_nobody_else_heals() -> None:
    plan = [*FINETUNE, one("ewc", 0.01)]
    levels_down = {"finetune-steps-50": {"south": 0.5, "north": 1.3, "east": 0.9},
                   "finetune-steps-100": {"south": 0.5, "north": 1.3, "east": 0.9}}
    assert "finetune (steps 50) lowers the bottom by 15 % or more with the whole not worse: bottom -50.0" in said(
        levels_down, plan).sentence
    assert "ewc (weight 0.01) lowers the bottom by 15 % or more with the whole not worse, the most" in said(
        levels_down | {"ewc-weight-0.01": {"south": 0.8, "north": 1.0, "east": 1.0}}, plan).sentence


@pytest.mark.parametrize(("effect", "said_first", "said_then"), [
    ({"south": 0.95, "north": 1.5, "east": 1.5}, "no arm but fine-tuning gains", "no arm lowers the bottom by 15 %"),
    ({"south": 0.95, "north": 0.95, "east": 0.95}, "on the Pareto front and strictly", "lowers it most without that"),
    ({"south": 1.2, "north": 1.2, "east": 1.2}, "no arm but fine-tuning gains", "no arm lowers the bottom by 15 %"),
])
def test_what_is_missed_is_said_with_what_comes_closest(effect: dict[str, float], said_first: str,
                                                        said_then: str) -> None:
    plan = [*FINETUNE, one("ewc", 0.01)]
    fine_tuned = {"finetune-steps-50": {"south": 0.94, "north": 1.0, "east": 1.0},
                  "finetune-steps-100": {"south": 0.8, "north": 1.4, "east": 1.4}}
    found = said(fine_tuned | {"ewc-weight-0.01": effect}, plan)
    assert not found.healed
    assert said_first in found.sentence
    assert said_then in found.sentence


def test_nothing_measured_is_a_missed_goal_and_no_error() -> None:
    assert answer([], MARGIN).sentence.startswith("Goal missed: no arm but fine-tuning gains for the bottom on the "
                                                  "Pareto front, which is of nobody; no arm lowers")


@pytest.fixture(scope="module")
def whole_table() -> list[Standing]:
    rng = np.random.default_rng(5)
    effect = {point.name: tuple(rng.uniform(0.8, 1.1, 2)) for point in PLAN}
    return standings([noisy(number, PLAN, effect) for number in (1, 2)], PLAN, replicates=REPLICATES)


def test_the_table_has_a_row_for_every_point_and_the_figure_names_every_arm(whole_table: list[Standing]) -> None:
    table, drawing = markdown(whole_table), pareto_figure({"synthetic": whole_table, "accents": whole_table}, "made up")
    assert len(table.splitlines()) == 2 + len(PLAN)
    assert len({line.count("|") for line in table.splitlines()}) == 1
    for point in PLAN:
        assert f"*{point.arm}*" in table if point.control else f"| {point.arm}" in table
    assert ET.fromstring(drawing).tag.endswith("svg")
    texts = {text.strip() for text in ET.fromstring(drawing).itertext()}
    assert set(ARMS) <= texts
    assert {"0.01", "1", str(STEPS // 4), str(2 * STEPS)} <= texts


def test_the_result_is_json_even_where_something_was_not_measured(whole_table: list[Standing]) -> None:
    unknown = Interval(float("nan"), float("nan"), float("nan"))
    text = json.dumps([standing_record(replace(line, variance=unknown)) for line in whole_table], allow_nan=False)
    assert json.loads(text)[0]["variance"] == {"estimate": None, "low": None, "high": None}
    assert json.loads(text)[-1]["point"]["control"] is True


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stages that would have been started as processes, as ``<folder>: <stage>``."""
    found: list[str] = []

    def run(argv: list[str], *, cwd: Path, **_: Any) -> None:
        found.append(f"{cwd.name}: {' '.join(argv[2:])}")

    monkeypatch.setattr(whole_runs.subprocess, "run", run)
    return found


def test_a_run_may_end_early_and_goes_on_where_it_stopped(tmp_path: Path, ran: list[str]) -> None:
    whole_runs.run_graph(tmp_path / "a", {}, until="transcribe@base")
    assert ran == [f"a: stages.{stage}" for stage in ("ingest", "featurize", "tokenizer", "train", "transcribe base")]
    whole_runs.run_graph(tmp_path / "a", {}, until="discover@clusters")
    assert ran[5:] == [f"a: stages.{stage}" for stage in ("train_speaker none", "embed", "discover clusters")]
    whole_runs.run_graph(tmp_path / "a", {}, until="discover@clusters")
    assert len(ran) == 8


def test_a_run_begins_with_what_another_one_made(tmp_path: Path, ran: list[str]) -> None:
    whole_runs.run_graph(tmp_path / "a", {}, until="discover@geographic")
    ran.clear()
    whole_runs.run_graph(tmp_path / "b", {"arms": {"ewc": {"weight": 0.3}}}, until="transcribe@ewc",
                         begun=tmp_path / "a")
    assert ran == ["b: stages.mitigate ewc", "b: stages.transcribe ewc"]
    assert (tmp_path / "b/artifacts/models/base").readlink() == tmp_path / "a/artifacts/models/base"
    assert not (tmp_path / "b/artifacts/hypotheses/ewc").exists()
    assert yaml.safe_load((tmp_path / "b/params.yaml").read_text())["arms"]["ewc"]["weight"] == 0.3


def test_results_of_other_parameters_are_refused(tmp_path: Path, ran: list[str]) -> None:
    whole_runs.run_graph(tmp_path / "a", {}, until="ingest")
    with pytest.raises(WorkspaceError, match="hold results of the parameters that are asked for"):
        whole_runs.run_graph(tmp_path / "a", {"seed": 5}, until="ingest")


def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setattr(Study, "partition", lambda *_: PARTITION)
    return Study(corpus=Corpus.parse("synthetic"), work=tmp_path, values={})


def test_each_seed_is_prepared_once_and_what_is_done_is_not_done_again(tmp_path: Path, ran: list[str],
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    given, plan = study(tmp_path, monkeypatch), points(SETTLED, ["interpolate", "placebo"])
    mitigation.work_off(given, plan, [1, 2], 1)
    trained = [stage for stage in ran if ": stages.mitigate" in stage or ": stages.interpolate" in stage]
    assert len([stage for stage in ran if stage == "base: stages.train"]) == 2
    assert len(trained) == 2 * len(plan) == len(set(trained)) * 2
    assert "interpolate-shares-0.5: stages.interpolate" in ran
    assert all(ran.index("finetune-steps-100: stages.mitigate finetune") < number
               for number, stage in enumerate(ran) if "stages.interpolate" in stage)
    ran.clear()
    (tmp_path / "synthetic/2/placebo/done/transcribe@placebo").unlink()
    mitigation.work_off(given, plan, [1, 2], 2)
    assert ran == ["placebo: stages.transcribe placebo"]


def test_a_stage_that_fails_is_named_with_the_file_of_its_words(tmp_path: Path, ran: list[str],
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(argv: list[str], **_: Any) -> None:
        raise whole_runs.subprocess.CalledProcessError(3, argv)

    monkeypatch.setattr(whole_runs.subprocess, "run", fail)
    with pytest.raises(TrainingError, match=r"base of seed 1 .*stages.ingest ending with 3.*base/log"):
        mitigation.work_off(study(tmp_path, monkeypatch), PLAN, [1], 2)


def test_arms_are_not_trained_where_nobody_is_worse_off(tmp_path: Path, ran: list[str],
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    given = study(tmp_path, monkeypatch)
    monkeypatch.setattr(Study, "partition", lambda *_: no_partition("geographic"))
    mitigation.work_off(given, PLAN, [1], 1)
    assert {stage.partition(":")[0] for stage in ran} == {"base"}


def test_recorded_speech_is_found_from_wherever_a_stage_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recorded = Study(corpus=Corpus.parse("accents=speech"), work=tmp_path, values={})
    assert recorded.settled["ingest"]["corpus"] == str(tmp_path / "speech")
    assert [point.steps for point in points(recorded.settled) if point.arm == "finetune"] == [5, 10, 20, 40]
    stored = Study(corpus=Corpus.parse("accents=s3://bucket/speech"), work=tmp_path, values={})
    assert stored.settled["ingest"]["corpus"] == "s3://bucket/speech"


def tell_apart(study: Study, number: int) -> None:
    """Call every second speaker worse off: a recogniser that has learnt nothing serves all alike."""
    found = study.place(number) / "artifacts" / "cohorts" / study.method
    rows = read_table(found / "cohorts.parquet", COHORTS).to_pylist()
    write_table(found / "cohorts.parquet", rows_table(
        [{**row, "cohort": f"region-{1 + place % 2}"} for place, row in enumerate(rows)], COHORTS))
    described = read_json(found / "description.json")
    [everyone] = described["cohorts"][:1]
    write_json(found / "description.json", {**described, "applicable": True, "cohorts": [
        {**everyone, "cohort": f"region-{rank}", "rank": rank} for rank in (1, 2)]})


@pytest.mark.science
def test_the_whole_benchmark_runs_at_toy_size_and_goes_on_where_it_stopped(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    prepare = trial.Study.prepare
    monkeypatch.setattr(trial.Study, "prepare", lambda self, number: (prepare(self, number), tell_apart(self, number)))
    monkeypatch.setattr(mitigation, "points", lambda settled, arms: [
        point for point in points(settled, arms) if point.value in (None, 0.01, 0.5, 2)])
    monkeypatch.setattr(sys, "argv", [
        "mitigation", "--corpus", "tiny=synthetic", "--seeds", "1", "--arms", "interpolate", "ewc", "placebo",
        "--work", str(tmp_path / "work"), "--figure", str(tmp_path / "figure.svg"), "--out", str(tmp_path)])
    mitigation.main()
    first = capsys.readouterr().out
    assert "Goal " in first
    assert "<svg" in (tmp_path / "figure.svg").read_text(encoding="utf-8")
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("done/*")}
    mitigation.main()
    assert capsys.readouterr().out.partition("\n| arm")[2].partition("Goal")[0] == (
        first.partition("\n| arm")[2].partition("Goal")[0])
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("done/*")} == done
