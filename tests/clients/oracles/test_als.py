"""Factorised plays against implicit: rankings of the same matrix, and a listener's factors by their equation."""

import artifacts
import numpy
import pytest
import scipy.sparse
from generated import plays
from implicit.als import AlternatingLeastSquares
from threadpoolctl import threadpool_limits

USERS, ITEMS = 600, 300
FACTORS, ITERATIONS, PENALTY, ALPHA = 8, 15, 2.0, 1.0
BEST = 20
NDCG_TOLERANCE = 0.02


@pytest.fixture(scope="module")
def played():
    """Plays before and after the day, those after it of tracks that are new to the listener."""
    before, after = plays(USERS, ITEMS, 111)
    return before, numpy.where(before > 0, 0, after)


@pytest.fixture(scope="module")
def trained(lake, played):
    """The table of plays that the model `taste` has learnt from."""
    user, item = numpy.nonzero(played[0])
    names = numpy.array([f"track {number:03}" for number in range(ITEMS)])
    columns = {"user_id": user, "track_id": names[item], "plays": played[0][user, item].astype(float)}
    table = lake.load("played", columns)
    lake.train(
        "taste",
        f"select user_id, track_id, plays from {table}",
        type="als",
        factors=FACTORS,
        iterations=ITERATIONS,
        l2=PENALTY,
        alpha=ALPHA,
        split="none",
    )
    return table


def scores(lake, table: str) -> numpy.ndarray:
    """The score of each track for each listener `[n_users][n_items]`."""
    found = lake.numbers(
        "with listener as (select user_id, als_fold_in('taste', track_id, plays) as factors"
        f" from {table} group by user_id), tracks as (select distinct track_id from {table})"
        " select user_id, cast(substr(track_id, 7) as bigint), als_score('taste', factors, track_id)"
        " from listener cross join tracks"
    )
    answers = numpy.full((USERS, ITEMS), -numpy.inf)
    answers[found[:, 0].astype(int), found[:, 1].astype(int)] = found[:, 2]
    return answers


def ndcg(scores: numpy.ndarray, before: numpy.ndarray, after: numpy.ndarray) -> float:
    """How well new tracks rank that were then played (Järvelin & Kekäläinen 2002), the whole catalogue ranked."""
    ranked = numpy.where(before > 0, -numpy.inf, scores).argsort(axis=1)[:, ::-1][:, :BEST]
    discounts = 1 / numpy.log2(numpy.arange(BEST) + 2)
    gains = numpy.take_along_axis(after > 0, ranked, axis=1) @ discounts
    relevant = (after > 0).sum(axis=1)
    best = numpy.array([discounts[:count].sum() for count in relevant])
    return (gains[relevant > 0] / best[relevant > 0]).mean()


def test_rankings_are_as_good(lake, trained, played):
    found = ndcg(scores(lake, trained), *played)
    # Its confidence in a pair that was never played is 1, and of a pair that was what the matrix says.
    confidence = scipy.sparse.csr_matrix(numpy.where(played[0] > 0, 1.0 + ALPHA * played[0], 0.0))
    expected = []
    for seed in range(5):
        with threadpool_limits(1, "blas"):
            peer = AlternatingLeastSquares(
                factors=FACTORS,
                regularization=PENALTY,
                alpha=1.0,
                iterations=ITERATIONS,
                use_cg=True,
                num_threads=2,
                random_state=seed,
            )
            peer.fit(confidence, show_progress=False)
        expected.append(ndcg(peer.user_factors @ peer.item_factors.T, *played))
    popularity = numpy.tile(played[0].sum(axis=0), (USERS, 1))
    assert numpy.mean(expected) > 1.5 * ndcg(popularity, *played)
    assert found >= numpy.mean(expected) * (1 - NDCG_TOLERANCE)


def test_a_listener_solves_the_equation(lake, trained, played):
    artifact = lake.artifact("taste")
    assert artifact["items"] == [f"track {number:03}" for number in range(ITEMS)]
    items = artifacts.factors(artifact["factors"])
    found = lake.rows(
        f"select user_id, als_fold_in('taste', track_id, plays) as factors from {trained}"
        " where user_id < 20 group by user_id"
    )
    assert len(found) == 20
    for row in found:
        weights = ALPHA * played[0][row["user_id"]]
        # Hu, Koren & Volinsky 2008, equation 4.
        left = items.T @ (items * (1 + weights)[:, None]) + PENALTY * numpy.eye(FACTORS)
        right = items.T @ ((1 + weights) * (weights > 0))
        assert row["factors"] == pytest.approx(numpy.linalg.solve(left, right), abs=1e-6)

