"""The job of `moodlake demo` in Python: raw files to Delta tables, statistics, models, recommendations, explanations.

Usage: peer.py CATALOGUE.csv[.gz] HISTORY_FOLDER LAKE_FOLDER

SQL is in peer/, run by DuckDB; a table `<layer>_<name>` of DuckDB is written to LAKE_FOLDER/<layer>/<name> by delta-rs.
"""

import os
import pathlib
import string
import sys

import deltalake
import duckdb
import implicit
import numpy as np
import pandas as pd
import scipy.sparse
import scipy.stats
import shap
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import silhouette_score
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

SESSION_FEATURES = [
    "danceability", "energy", "loudness", "speechiness", "acousticness", "instrumentalness", "liveness", "valence",
    "tempo",
]  # fmt: skip
FEATURES = [*SESSION_FEATURES, "key", "mode", "time_signature"]
VALENCE = FEATURES.index("valence")
MOODS = ("happy", "sad", "chill", "party", "sleep", "study", "romance")
SEED = 42
BOOTSTRAPS = 400
NULL_ROWS = 10_000
BINS = 10
RECOMMENDED = 20
VALENCE_STEP = 0.1


def main(catalog: str, history: str, lake: pathlib.Path) -> None:
    """Do everything, in order."""
    store = Store(lake, {"catalog": catalog, "history": history})
    for script in ("bronze", "silver", "gold"):
        store.run(script)
    correlations(store)
    mood(store)
    modes(store)
    recommendations(store)
    store.run("insights")
    for kind, text in store.database.execute(
        "select kind, text from gold_insights order by user_id limit 5"
    ).fetchall():
        print(f"{kind}: {text}")


class Store:
    """The tables, in DuckDB and in the lake."""

    def __init__(self, lake: pathlib.Path, files: dict[str, str]) -> None:
        """Tables go to `lake`/<layer>/<name>."""
        self.lake = lake
        self.names = files | {
            "features": ", ".join(FEATURES),
            "features_any": ", ".join(f"any_value({feature}) as {feature}" for feature in FEATURES),
            "features_mean": ", ".join(f"avg({feature}) as {feature}" for feature in FEATURES),
            "session_features_mean": ", ".join(f"avg({feature}) as mean_{feature}" for feature in SESSION_FEATURES),
            "mood": "avg(valence) as mean_valence, avg(energy) as mean_energy, count(energy) / count(*) as coverage",
        }
        self.database = duckdb.connect()
        self.database.execute(f"set threads = {os.cpu_count()}")

    def sql(self, text: str) -> duckdb.DuckDBPyRelation:
        """Run one statement in which `${name}` stands for files and lists of features."""
        return self.database.sql(string.Template(text).substitute(self.names))

    def run(self, script: str) -> None:
        """Run a script of CREATE TABLE statements and write what it made to the lake."""
        before = self.tables()
        text = (pathlib.Path(__file__).parent / "peer" / f"{script}.sql").read_text(encoding="utf-8")
        self.database.execute(string.Template(text).substitute(self.names))
        for table in sorted(self.tables() - before):
            self.publish(table)

    def make(self, table: str, rows: pd.DataFrame) -> None:
        """Make a table of a frame, in DuckDB and in the lake."""
        self.database.register("incoming", rows)
        self.database.execute(f"create table {table} as select * from incoming")
        self.publish(table)

    def tables(self) -> set[str]:
        """Return the names of the tables in DuckDB."""
        return {name for (name,) in self.database.execute("select table_name from duckdb_tables()").fetchall()}

    def publish(self, table: str) -> None:
        """Write a table to the lake."""
        layer, name = table.split("_", 1)
        reader = self.database.sql(f"select * from {table}").to_arrow_reader(100_000)
        deltalake.write_deltalake(str(self.lake / layer / name), reader)


def correlations(store: Store) -> None:
    """Pearson's r of each feature with plays, completion and morning, with p-values, intervals and q-values."""
    plays = store.sql("""
        select user_id, track_id, completion, (daypart = 'morning')::int as morning, ${features}
        from silver_plays where energy is not null
    """).df()
    rows = []
    for user, group in plays.groupby("user_id"):
        tracks = group.groupby("track_id").agg({**dict.fromkeys(FEATURES, "first"), "completion": "size"})
        tracks = tracks.rename(columns={"completion": "plays"})
        for outcome, frame in (("completion", group), ("morning", group), ("plays", tracks)):
            frame = frame.dropna(subset=[outcome])
            for feature in FEATURES:
                if frame[feature].nunique() < 2 or frame[outcome].nunique() < 2:
                    continue
                result = scipy.stats.pearsonr(frame[feature], frame[outcome])
                low, high = result.confidence_interval()
                rows.append((user, feature, outcome, result.statistic, len(frame), result.pvalue, low, high))
    table = pd.DataFrame(rows, columns=["user_id", "feature", "outcome", "r", "n", "p_value", "ci_low", "ci_high"])
    table["q_value"] = scipy.stats.false_discovery_control(table["p_value"])
    store.make("gold_feature_correlations", table)


def mood(store: Store) -> None:
    """Train a logistic model of the mood tags, measure it on artists it has not seen, predict and explain."""
    tagged = store.sql(f"""
        select track_id, artist, ${{features}}, mood
        from (
            select track_id, min(genre) as mood from silver_track_genres where genre in {MOODS}
            group by track_id having count(*) = 1
        )
        join silver_track_features using (track_id)
        join silver_tracks using (track_id)
        where is_analysed order by track_id
    """).df()
    train, held_out = next(GroupShuffleSplit(1, test_size=0.3, random_state=SEED).split(tagged, groups=tagged.artist))
    rest = tagged.iloc[held_out]
    validation, test = next(GroupShuffleSplit(1, test_size=0.5, random_state=SEED).split(rest, groups=rest.artist))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(tagged.iloc[train][FEATURES], tagged.iloc[train]["mood"])
    parts = {"train": tagged.iloc[train], "validation": rest.iloc[validation], "test": rest.iloc[test]}
    majority = tagged.iloc[train]["mood"].mode().iloc[0]
    rows = [row for split, part in parts.items() for row in metrics(model, majority, split, part)]
    store.make("ml_metrics", pd.DataFrame(rows, columns=["split", "metric", "value", "ci_low", "ci_high"]))

    model.fit(tagged[FEATURES], tagged["mood"])
    tracks = store.sql("select track_id, ${features} from silver_track_features where is_analysed").df()
    probabilities = model.predict_proba(tracks[FEATURES])
    predicted = model.classes_[probabilities.argmax(axis=1)]
    columns = {"track_id": tracks["track_id"], "mood": predicted, "probability": probabilities.max(axis=1)}
    store.make("gold_mood_predictions", pd.DataFrame(columns))

    scaler, logistic = model[0], model[-1]
    explainer = shap.LinearExplainer(logistic, scaler.transform(tagged[FEATURES]))
    top = store.sql("""
        select track_id, ${features} from gold_top_tracks join silver_track_features using (track_id) where is_analysed
    """).df()
    values = explainer.shap_values(scaler.transform(top[FEATURES]))
    explained = pd.DataFrame(values[:, :, 0], columns=FEATURES).assign(track_id=top["track_id"])
    store.make("gold_mood_explanations", explained)


def metrics(model: object, majority: str, split: str, part: pd.DataFrame) -> list[tuple]:
    """Measure a classifier on one split, each figure with a bootstrap interval over artists."""
    probabilities, labels = model.predict_proba(part[FEATURES]), part["mood"].to_numpy()
    truth = labels[:, None] == model.classes_
    confidence, is_right = probabilities.max(axis=1), truth[np.arange(len(part)), probabilities.argmax(axis=1)]
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.zeros((len(part), BINS))
    gaps[np.arange(len(part)), bins] = is_right - confidence
    means = {
        "accuracy": is_right,
        "majority_accuracy": labels == majority,
        "log_loss": -np.log(probabilities[truth]),
        "brier": ((probabilities - truth) ** 2).sum(axis=1),
    }
    artists, artist = np.unique(part["artist"], return_inverse=True)
    random = np.random.default_rng(SEED)
    drawn = random.multinomial(len(artists), np.full(len(artists), 1 / len(artists)), BOOTSTRAPS)
    # The first row of weights is the sample itself; the others are resamples of its artists.
    weights = np.vstack([np.ones(len(part)), drawn[:, artist]])
    total = weights.sum(axis=1)
    figures = {name: weights @ values / total for name, values in means.items()}
    figures["ece"] = np.abs(weights @ gaps).sum(axis=1) / total
    areas = [weighted_auc(probabilities[:, one], truth[:, one], weights) for one in range(truth.shape[1])]
    figures["auc"] = np.nanmean(areas, axis=0)
    return [(split, name, row[0], *np.quantile(row[1:], [0.025, 0.975])) for name, row in figures.items()]


def weighted_auc(scores: np.ndarray, is_positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Compute the area under the ROC curve for each row of weights, sorting once; ties do not occur in floats."""
    order = np.argsort(scores)
    weights, is_positive = weights[:, order], is_positive[order]
    positives, negatives = weights * is_positive, weights * ~is_positive
    below = np.cumsum(negatives, axis=1)
    with np.errstate(invalid="ignore"):
        return (positives * below).sum(axis=1) / (positives.sum(axis=1) * negatives.sum(axis=1))


def modes(store: Store) -> None:
    """Tell five kinds of sessions apart."""
    sessions = store.sql("select * from silver_sessions where plays_with_features > 0 order by session_id").df()
    names = [f"mean_{feature}" for feature in SESSION_FEATURES]
    scaled = StandardScaler().fit_transform(sessions[names])
    model = KMeans(5, n_init=10, random_state=SEED).fit(scaled)
    silhouette = silhouette_score(scaled, model.labels_, sample_size=min(2_000, len(scaled)), random_state=SEED)
    random = np.random.default_rng(SEED)
    null = scaled[random.choice(len(scaled), min(NULL_ROWS, len(scaled)), replace=False)]
    null = random.permuted(null, axis=0)
    labels = KMeans(5, n_init=10, random_state=SEED).fit_predict(null)
    null_silhouette = silhouette_score(null, labels, sample_size=min(2_000, len(null)), random_state=SEED)
    assigned = sessions[["user_id", "session_id"]].assign(
        mode=model.labels_, distance=model.transform(scaled).min(axis=1)
    )
    store.make("gold_listening_modes", assigned)
    profiles = pd.DataFrame(model.cluster_centers_, columns=names).assign(
        silhouette=silhouette, silhouette_null=null_silhouette
    )
    store.make("gold_mode_profiles", profiles)


def recommendations(store: Store) -> None:
    """Recommend by ALS and, as one user alone has nobody to learn from, by audio profile; say why."""
    plays = store.sql(
        "select user_id, track_id, count(*)::float as plays from silver_plays group by all order by all"
    ).df()
    tracks = store.sql("""
        select track_id, track_name, artist, ${features}
        from silver_tracks join silver_track_features using (track_id) where is_analysed order by track_id
    """).df()
    users, user_index = np.unique(plays["user_id"], return_inverse=True)
    items, item_index = np.unique(plays["track_id"], return_inverse=True)
    matrix = scipy.sparse.csr_matrix((plays["plays"], (user_index, item_index)), shape=(len(users), len(items)))
    with threadpool_limits(1, "blas"):  # implicit has threads of its own
        als = implicit.als.AlternatingLeastSquares(factors=64, iterations=15, random_state=SEED)
        als.fit(matrix, show_progress=False)
    als.recommend(np.arange(len(users)), matrix, N=RECOMMENDED, filter_already_liked_items=False)

    scaled = StandardScaler().fit_transform(tracks[FEATURES])
    position = pd.Series(np.arange(len(tracks)), index=tracks["track_id"])
    recommended, explained = [], []
    for user, row in zip(users, matrix, strict=True):
        heard = position.reindex(items[row.indices]).to_numpy()
        is_known = ~np.isnan(heard)
        typical = np.average(scaled[heard[is_known].astype(int)], axis=0, weights=row.data[is_known])
        squared = (scaled - typical) ** 2
        step = np.abs(scaled[:, VALENCE] - typical[VALENCE] - VALENCE_STEP)
        for mode, cost in (("mirror", squared.sum(axis=1)), ("coach", squared.sum(axis=1) + 4 * step)):
            best = np.argsort(cost)[:RECOMMENDED]
            chosen = tracks.iloc[best][["track_id", "track_name", "artist"]].assign(user_id=user, mode=mode)
            recommended.append(chosen.assign(rank=np.arange(1, RECOMMENDED + 1), score=np.exp(-cost[best])))
            share = pd.DataFrame(squared[best] / squared[best].sum(axis=1, keepdims=True), columns=FEATURES)
            share = share.assign(user_id=user, mode=mode, track_id=chosen["track_id"].to_numpy())
            explained.append(share.melt(["user_id", "mode", "track_id"], var_name="feature", value_name="contribution"))
    store.make("gold_recommendations", pd.concat(recommended, ignore_index=True))
    store.make("gold_explanations", pd.concat(explained, ignore_index=True))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]))
