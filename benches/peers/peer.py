"""The peers: each reads the same Parquet files and does the same work. Started by measure.py in a process of its own.

    peer.py CASE FOLDER RUNS     prints seconds of each run after the first, the peak of memory and what was achieved
"""

import json
import pathlib
import resource
import sys
import time

import lightgbm
import numpy
import polars
import ranking
import scipy.sparse
import scipy.stats
import shap
from implicit.als import AlternatingLeastSquares
from rows import FEATURES
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

THREADS = 2


def read(folder: pathlib.Path, columns: list[str] | None = None) -> polars.DataFrame:
    """The rows of a table's folder."""
    return polars.read_parquet(folder / "*.parquet", columns=columns)


def held_out(folder: pathlib.Path) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """Features and label to learn from, and those kept back."""
    table = read(folder)
    test = table["is_test"].to_numpy()
    values, label = table.select(FEATURES).to_numpy(), table["label"].to_numpy()
    return values[~test], label[~test], values[test], label[test]


class Pearson:
    """SciPy's test of two columns."""

    def run(self, folder: pathlib.Path) -> None:
        table = read(folder, ["x", "y"])
        self.result = scipy.stats.pearsonr(table["x"].to_numpy(), table["y"].to_numpy())
        self.result.confidence_interval()

    def quality(self, folder: pathlib.Path) -> float:
        return self.result.statistic


class PearsonGroups(Pearson):
    """Polars' correlation by group, SciPy's distribution for the p-values and the intervals."""

    def run(self, folder: pathlib.Path) -> None:
        groups = read(folder).group_by("g").agg(polars.corr("x", "y").alias("r"), polars.len().alias("n"))
        r, n = groups["r"].to_numpy(), groups["n"].to_numpy()
        t = r * numpy.sqrt((n - 2) / (1 - r * r))
        self.p_values = 2 * scipy.stats.t.sf(numpy.abs(t), n - 2)
        half = scipy.stats.norm.ppf(0.975) / numpy.sqrt(n - 3)
        self.interval = numpy.tanh(numpy.arctanh(r) - half), numpy.tanh(numpy.arctanh(r) + half)

    def quality(self, folder: pathlib.Path) -> float:
        super().run(folder)
        return super().quality(folder)


class ClusterMeans:
    """scikit-learn's k-means on z-scored rows."""

    def run(self, folder: pathlib.Path) -> None:
        rows = StandardScaler().fit_transform(read(folder).to_numpy())
        self.model = KMeans(6, n_init=1, max_iter=300, random_state=0).fit(rows)

    def quality(self, folder: pathlib.Path) -> float:
        return self.model.inertia_


class Classifier:
    """A fit, judged on rows that it has not seen."""

    def run(self, folder: pathlib.Path) -> None:
        values, label, _, _ = held_out(folder)
        self.fit(values, label)

    def quality(self, folder: pathlib.Path) -> float:
        _, _, values, label = held_out(folder)
        return roc_auc_score(label, self.predict(values))

    def predict(self, values: numpy.ndarray) -> numpy.ndarray:
        return self.model.predict_proba(values)[:, 1]


class Logistic(Classifier):
    """scikit-learn's logistic regression on z-scored rows."""

    def fit(self, values: numpy.ndarray, label: numpy.ndarray) -> None:
        self.scaler = StandardScaler().fit(values)
        self.model = LogisticRegression(solver="newton-cholesky").fit(self.scaler.transform(values), label)

    def predict(self, values: numpy.ndarray) -> numpy.ndarray:
        return self.model.predict_proba(self.scaler.transform(values))[:, 1]


class Forest(Classifier):
    """scikit-learn's forest."""

    def fit(self, values: numpy.ndarray, label: numpy.ndarray) -> None:
        self.model = RandomForestClassifier(100, max_depth=10, n_jobs=THREADS, random_state=0).fit(values, label)


class Boosting(Classifier):
    """LightGBM."""

    def fit(self, values: numpy.ndarray, label: numpy.ndarray) -> None:
        self.model = lightgbm.LGBMClassifier(n_estimators=100, num_leaves=31, num_threads=THREADS, verbose=-1)
        self.model.fit(values, label)


class Shapley(Forest):
    """shap's values of a forest's predictions."""

    def before(self, folder: pathlib.Path) -> None:
        Forest.run(self, folder)

    def run(self, folder: pathlib.Path) -> None:
        _, _, values, _ = held_out(folder)
        shap.TreeExplainer(self.model).shap_values(values[:500])


class Als:
    """implicit's alternating least squares, whose confidence in a pair without plays is 1."""

    def run(self, folder: pathlib.Path) -> None:
        table = read(folder).filter(~polars.col("is_test"))
        user, item = table["user_id"].to_numpy(), table["track_id"].to_numpy()
        confidence = scipy.sparse.csr_matrix((1 + table["plays"].to_numpy(), (user, item)))
        # It has threads of its own.
        with threadpool_limits(1, "blas"):
            self.model = AlternatingLeastSquares(
                factors=64, regularization=1.0, alpha=1.0, iterations=15, num_threads=THREADS, random_state=0
            )
            self.model.fit(confidence, show_progress=False)

    def quality(self, folder: pathlib.Path) -> float:
        table = read(folder, ["user_id", "track_id", "is_test"])
        items = self.model.item_factors
        known, hidden = ranking.judged(*(table[name].to_numpy() for name in table.columns), len(items))
        return ranking.ndcg(self.model.user_factors[: ranking.JUDGED] @ items.T, known, hidden)


PEERS = {
    "pearson": Pearson,
    "pearson_groups": PearsonGroups,
    "kmeans": ClusterMeans,
    "logistic": Logistic,
    "forest": Forest,
    "gbdt": Boosting,
    "shap": Shapley,
    "als": Als,
}


def main() -> None:
    """One warm-up, then the runs that count."""
    name, folder, runs = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
    peer = PEERS[name]()
    if hasattr(peer, "before"):
        peer.before(folder)
    seconds = []
    for _ in range(runs + 1):
        started = time.perf_counter()
        peer.run(folder)
        seconds.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(json.dumps({"seconds": seconds[1:], "peak_mb": peak, "quality": peer.quality(folder)}))


if __name__ == "__main__":
    main()
