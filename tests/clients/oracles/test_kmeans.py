"""k-means and silhouettes against scikit-learn, on z-scored rows."""

import numpy
import pytest
from generated import FEATURES, clusters, matrix, standardised
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_samples, silhouette_score

INERTIA_TOLERANCE = 1e-3
COLUMNS = ", ".join(FEATURES)


@pytest.fixture(scope="module", params=[3, 8])
def trained(lake, request):
    """A model of so many clusters, and the rows it was trained on."""
    columns = clusters(2000, 21, request.param)
    table = lake.load("clustered", {"row": numpy.arange(2000), **columns})
    lake.train("clusters", f"select {COLUMNS} from {table}", type="kmeans", k=request.param)
    return request.param, table, standardised(matrix(columns))


@pytest.fixture
def answers(lake, trained):
    """Cluster and distance of each row, by the functions."""
    _, table, _ = trained
    call = f"('clusters', {COLUMNS})"
    found = lake.numbers(
        f"select kmeans_assign{call}, kmeans_distance{call} from {table} order by row"
    )
    return found[:, 0].astype(int), found[:, 1]


def test_the_best_start_is_as_good(trained, answers):
    k, _, rows = trained
    best = KMeans(k, n_init=10, random_state=0).fit(rows)
    assert (answers[1] ** 2).sum() <= best.inertia_ * (1 + INERTIA_TOLERANCE)


def test_nothing_is_left_to_improve(lake, trained, answers):
    k, _, rows = trained
    centroids = numpy.array(lake.artifact("clusters")["centroids"])
    further = KMeans(k, init=centroids, n_init=1, tol=0).fit(rows)
    inertia = (answers[1] ** 2).sum()
    assert further.inertia_ == pytest.approx(inertia, rel=INERTIA_TOLERANCE)
    assert numpy.array_equal(further.labels_, answers[0])


def test_silhouette(lake, trained, answers):
    _, _, rows = trained
    found = lake.metric("clusters", "silhouette")
    assert found["n"] == len(rows)
    assert found["value"] == pytest.approx(silhouette_score(rows, answers[0]), abs=1e-9)
    assert lake.metric("clusters", "silhouette_null")["value"] < found["value"]


def test_silhouettes_of_clusters(lake, trained, answers):
    _, table, rows = trained
    found = lake.rows(f"select * from kmeans_silhouette('clusters', input => {table})")
    samples = silhouette_samples(rows, answers[0])
    assert len(found) == len(set(answers[0])) + 1
    for row in found:
        inside = samples if row["cluster"] is None else samples[answers[0] == row["cluster"]]
        assert row["n"] == len(inside)
        assert row["silhouette"] == pytest.approx(inside.mean(), abs=1e-9)


def test_centroids(lake, trained, answers):
    _, table, _ = trained
    found = lake.rows("select * from kmeans_centroids('clusters')")
    values = lake.numbers(f"select {COLUMNS} from {table} order by row")
    for row in found:
        inside = answers[0] == row["cluster"]
        expected = values[inside, FEATURES.index(row["feature"])].mean()
        assert row["value"] == pytest.approx(expected, abs=1e-9)
        assert row["size"] == inside.sum()
