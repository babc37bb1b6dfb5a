"""The stage featurize, files to files."""

import numpy as np

from evenvoice.data.feature_store import FeatureStore
from evenvoice.params import load_params
from stages import featurize, paths
from tests.builders.features import Said, write_corpus


def test_a_corpus_becomes_a_feature_store(tmp_path, monkeypatch, capsys):
    params = load_params()
    monkeypatch.chdir(tmp_path)
    write_corpus(paths.CORPUS, [Said("a", seconds=1.0), Said("b", split="test", hertz=800)])
    featurize.main(params)
    store = FeatureStore.open(paths.FEATURES)
    assert store.ids.tolist() == ["a", "b"]
    assert store.features(0).shape == (98, params.featurize.n_mels)
    assert np.isfinite(store.features(0)).all()
    assert "featurize  recording 2/2" in capsys.readouterr().out


def test_running_again_replaces_what_was_there(tmp_path, monkeypatch):
    params = load_params()
    monkeypatch.chdir(tmp_path)
    write_corpus(paths.CORPUS, [Said("a", seconds=1.0)])
    featurize.main(params)
    featurize.main(params.model_copy(update={"featurize": params.featurize.model_copy(update={"n_mels": 20})}))
    assert FeatureStore.open(paths.FEATURES).n_mels == 20
    assert not list(paths.FEATURES.parent.glob(".*"))
