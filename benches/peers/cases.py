"""The cases: rows, what Moodlake is asked, and how many times its peer's seconds it may take."""

import dataclasses
import math
from collections.abc import Callable

import numpy
import pyarrow
import ranking
import rows
from sklearn.metrics import roc_auc_score

FEATURES = ", ".join(rows.FEATURES)


@dataclasses.dataclass(frozen=True)
class Case:
    """One row of the table. `peer` of the same name stands in peer.py."""

    name: str
    title: str
    # Most that our seconds over the peer's may be.
    limit: float
    # How many rows in full size, and how they are made.
    size: int
    rows: Callable[[int], pyarrow.Table]
    # The statement whose time counts.
    statement: str
    # What it achieved, to be held beside the peer's; not timed.
    quality: Callable[["Session"], float]  # noqa: F821  (measure.py)
    # What is done once before.
    before: str | None = None


def correlation(session) -> float:
    """The coefficient over all rows."""
    return session.value("select pearson(x, y) from data")


def inertia(session) -> float:
    """The sum of squared distances to the nearest centroid."""
    distance = f"kmeans_distance('measured', {', '.join(rows.FEATURES[:9])})"
    return session.value(f"select sum(power({distance}, 2)) from data")


def area(session) -> float:
    """The area under the ROC curve on rows that were kept back."""
    table = session.ask(f"select label, ml_predict_proba('measured', {FEATURES}) as p from data where is_test")
    return roc_auc_score(table["label"].to_numpy(), table["p"].to_numpy())


def rankings(session) -> float:
    """NDCG@20 of the first listeners, over plays that were kept back."""
    data = session.ask("select user_id, track_id, is_test from data")
    user, item, is_test = (data[name].to_numpy() for name in data.column_names)
    found = session.ask(
        "with listener as (select user_id, als_fold_in('measured', track_id, plays) as factors from data"
        f" where not is_test and user_id < {ranking.JUDGED} group by user_id),"
        " tracks as (select distinct track_id from data)"
        " select user_id, track_id, als_score('measured', factors, track_id) as score"
        " from listener cross join tracks"
    )
    scores = numpy.full((ranking.JUDGED, item.max() + 1), -numpy.inf)
    scores[found["user_id"].to_numpy(), found["track_id"].to_numpy()] = found["score"].to_numpy()
    return ranking.ndcg(scores, *ranking.judged(user, item, is_test, item.max() + 1))


def fit(kind: str, **options) -> str:
    """Training on the rows that are not kept back."""
    written = "".join(f", {name} = {value}" for name, value in options.items())
    return (
        f"create or replace model measured options (type = '{kind}', label = 'label', split = 'none'{written})"
        f" as select {FEATURES}, label from data where not is_test"
    )


FOREST = fit("random_forest", trees=100, max_depth=10)

CASES = [
    Case(
        "pearson",
        "pearson_test, 10 M rows",
        1.0,
        10_000_000,
        rows.pairs,
        "select pearson_test(x, y) from data",
        correlation,
    ),
    Case(
        "pearson_groups",
        "pearson_test, 10 M rows in 1,000 groups",
        1.0,
        10_000_000,
        rows.pairs,
        "select g, pearson_test(x, y) from data group by g",
        correlation,
    ),
    Case(
        "kmeans",
        "k-means, 1 M x 9, k = 6, one start",
        1.2,
        1_000_000,
        rows.clustered,
        "create or replace model measured options (type = 'kmeans', k = 6, n_runs = 1) as select * from data",
        inertia,
    ),
    Case("logistic", "logistic, 1 M x 12", 1.2, 1_250_000, rows.linear, fit("logistic"), area),
    Case("forest", "random forest, 100 k x 12, 100 trees of depth 10", 0.25, 125_000, rows.curved, FOREST, area),
    Case(
        "gbdt",
        "boosting, 100 k x 12, 100 trees of 31 leaves",
        2.0,
        125_000,
        rows.curved,
        fit("gbdt", trees=100),
        area,
    ),
    Case(
        "shap",
        "SHAP of that forest, 500 rows",
        0.1,
        125_000,
        rows.curved,
        f"select * from shap_explain('measured', (select {FEATURES} from data where is_test limit 500), class => 'true')",
        area,
        before=FOREST,
    ),
    Case(
        "als",
        "ALS, 2 M pairs of 25,000 listeners and 12,500 tracks, 64 factors, 15 iterations",
        1.2,
        2_500_000,
        rows.plays,
        "create or replace model measured options (type = 'als', factors = 64, iterations = 15, split = 'none')"
        " as select user_id, track_id, plays from data where not is_test",
        rankings,
    ),
]


def scaled(case: Case, scale: float) -> pyarrow.Table:
    """The rows of a case, fewer where the scale is below 1."""
    return case.rows(max(1000, math.ceil(scale * case.size)))
