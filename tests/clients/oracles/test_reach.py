"""How far a forest gets on real tracks: the tags of Kaggle's file from audio features, artists never in two folds."""

import catalogue
import numpy
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, roc_auc_score

TOLERANCE = 0.005
TREES = 300
COLUMNS = ", ".join(catalogue.FEATURES)


@pytest.fixture(scope="module")
def peer(kaggle):
    """scikit-learn's macro AUC and accuracy over the pooled predictions of the five folds."""
    values, tags = kaggle[catalogue.FEATURES].to_numpy(), kaggle.tag.to_numpy()
    probabilities = numpy.zeros((len(tags), len(catalogue.TAGS)))
    for fold in range(catalogue.FOLDS):
        test = (kaggle.fold == fold).to_numpy()
        forest = RandomForestClassifier(TREES, n_jobs=2, random_state=fold)
        forest.fit(values[~test], tags[~test])
        assert list(forest.classes_) == catalogue.TAGS
        probabilities[test] = forest.predict_proba(values[test])
    said = numpy.array(catalogue.TAGS)[probabilities.argmax(axis=1)]
    return {
        "auc": roc_auc_score(tags, probabilities, multi_class="ovr"),
        "accuracy": accuracy_score(tags, said),
    }


@pytest.fixture(scope="module")
def trained(lake, kaggle):
    """The same forest in the server."""
    columns = {name: kaggle[name].to_numpy() for name in kaggle.columns}
    table = lake.load("tagged", {**columns, "fold": columns["fold"].astype(int)})
    lake.train(
        "tagged",
        f"select {COLUMNS}, tag, artist, fold from {table}",
        type="random_forest",
        label="tag",
        split="folds",
        trees=TREES,
    )
    return len(kaggle)


@pytest.mark.parametrize("metric", ["auc", "accuracy"])
def test_tags(lake, trained, peer, metric):
    found = lake.metric("tagged", metric)
    assert found["split"] == "out_of_fold"
    assert found["n"] == trained
    assert found["value"] == pytest.approx(peer[metric], abs=TOLERANCE)
    # The interval resamples artists: it holds the figure and is no formality.
    assert found["ci_low"] < found["value"] < found["ci_high"]
    assert found["ci_high"] - found["ci_low"] > 0.002
