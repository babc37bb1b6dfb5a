"""Rules that were written down and read again, and files that are no rules."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenvoice.cohorts import find_cohorts
from evenvoice.cohorts.clusters import NearestCentroid
from evenvoice.cohorts.frozen import RULES, frozen_method, read_all, read_rules, rules
from evenvoice.errors import ArtifactError
from evenvoice.storage import write_json
from tests.builders.cohorts import discover_settings, located_world

TREE = {"method": "geographic", "coordinate_decimals": 1, "cohorts": ["region-1", "region-2"], "rule": {
    "kind": "tree", "features": [{"kind": "coordinate", "name": "lat"}, {"kind": "coordinate", "name": "lon"}],
    "splits": [{"node": 0, "inside": 2, "outside": 1, "box": [{"feature": 0, "low": 35.2, "high": 37.1}]}],
    "leaves": [2, 1]}}
CENTROIDS = {"method": "clusters", "coordinate_decimals": 1, "cohorts": ["cluster-1", "cluster-2"],
             "rule": {"kind": "centroids", "centroids": [[0.1, 0.2], [0.3, 0.4]]}}
"""As versions wrote it in which every centroid was a cohort."""
JOINED = {**CENTROIDS, "rule": {"kind": "centroids", "centroids": [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]],
                                "cohort_of": [1, 0, 1]}}


def changed(content, path: str, value: object):
    """A copy with one part replaced, or removed where ``value`` is None."""
    copy = json.loads(json.dumps(content))
    *above, last = path.split(".")
    part = copy
    for name in above:
        part = part[int(name) if isinstance(part, list) else name]
    if value is None:
        del part[last]
    else:
        part[int(last) if isinstance(part, list) else last] = value
    return copy


@pytest.mark.parametrize("content", [TREE, CENTROIDS, JOINED, {**TREE, "cohorts": [], "rule": None}])
def test_what_the_stage_writes_is_read(tmp_path, content):
    write_json(tmp_path / RULES, content)
    assert read_rules(tmp_path).cohorts == tuple(content["cohorts"])


@pytest.mark.parametrize(("content", "path", "value", "named"), [
    (TREE, "method", "astrology", "there is no method 'astrology'"),
    (TREE, "coordinate_decimals", "1", "coordinate_decimals"),
    (TREE, "cohorts", ["region-1"], "1 names"),
    (TREE, "cohorts", ["region-1", "region-1"], "some perhaps twice"),
    (TREE, "rule", None, "rule"),
    (JOINED, "rule.cohort_of", [0, 1], "are not the cohorts, from 0 on, of 3 centroids"),
    (JOINED, "rule.cohort_of", [0, 2, 2], "are not the cohorts, from 0 on, of 3 centroids"),
    (JOINED, "rule.cohort_of", [0, 0, 0], "2 names"),
    (JOINED, "rule.cohort_of", [0, 1, -1], "rule.centroids.cohort_of"),
    (TREE, "rule.kind", "forest", "rule"),
    (TREE, "rule.leaves", [2, 2], "are not the ends"),
    (TREE, "rule.features", [], "rule.tree.features"),
    (TREE, "rule.features.0", {"kind": "coordinate", "name": "height"}, "no feature is told by"),
    (TREE, "rule.features.0", {"kind": "attribute", "name": "speakers", "value": "x"}, "no feature is told by"),
    (TREE, "rule.splits.0.node", 5, "without a place in the tree"),
    (TREE, "rule.splits.0.inside", 1, "without a place in the tree"),
    (TREE, "rule.splits.0.box.0.feature", 2, "features that are not there"),
    (TREE, "rule.splits.0.box.0.low", 40.0, "low below high"),
    (TREE, "rule.splits.0.box.0.low", True, "low"),
    (TREE, "rule.splits.0.box.0.lower", 40.0, "lower"),
    (CENTROIDS, "rule.centroids.0", [0.1], "different widths"),
    (CENTROIDS, "rule.centroids.0", ["a", 1.0], "centroids"),
])
def test_a_rule_that_was_altered_is_refused_by_the_part(tmp_path, content, path, value, named):
    write_json(tmp_path / RULES, changed(content, path, value))
    with pytest.raises(ArtifactError, match="be a frozen rule") as refused:
        read_rules(tmp_path)
    assert named in str(refused.value)


def test_half_a_file_is_refused(tmp_path):
    (tmp_path / RULES).write_text(json.dumps(TREE)[:-20])
    with pytest.raises(ArtifactError, match=r"rules\.json must be JSON"):
        read_rules(tmp_path)


@pytest.mark.parametrize(("content", "cohort_of"), [(CENTROIDS, (0, 1)), (JOINED, (1, 0, 1))])
def test_a_centroid_without_a_cohort_is_one(content, cohort_of):
    rule = frozen_method(content, "a file").rule
    assert isinstance(rule, NearestCentroid)
    assert rule.cohort_of == cohort_of


def test_a_number_that_is_none_is_refused(tmp_path):
    (tmp_path / RULES).write_text(json.dumps(changed(CENTROIDS, "rule.centroids.0", [float("nan"), 1.0])))
    with pytest.raises(ArtifactError, match="finite number"):
        read_rules(tmp_path)


def test_the_folder_of_another_method_is_refused(tmp_path):
    write_json(tmp_path / "geographic" / RULES, CENTROIDS)
    with pytest.raises(ArtifactError, match=r"geographic/rules\.json must hold the rule of geographic, got clusters"):
        read_all(tmp_path, ("geographic",))


NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(st.none() | st.booleans() | NUMBERS | st.text(max_size=5),
                    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=5), part, max_size=3))


@settings(max_examples=40)
@given(content=JSON)
def test_whatever_else_is_there_is_refused_and_never_crashes(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("rules")
    write_json(folder / RULES, content)
    with pytest.raises(ArtifactError):
        read_rules(folder)


def test_numbers_are_read_as_they_were_used(tmp_path):
    world = located_world(1, factor=3.0, speakers=800)
    found = find_cohorts("geographic", world, discover_settings(), seed=3)
    write_json(tmp_path / RULES, rules("geographic", found, 1))
    frozen = read_rules(tmp_path).rule
    assert frozen.splits == found.rule.splits
    assert len(frozen.splits) > 0
    assert np.array_equal(frozen.assign(world), found.rule.assign(world))
