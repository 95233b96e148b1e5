"""The rows of the cases, made from seeds."""

import numpy
import pyarrow

FEATURES = [f"f{number}" for number in range(12)]


def pairs(rows: int) -> pyarrow.Table:
    """Two correlated columns in a thousand groups."""
    random = numpy.random.default_rng(1)
    x = random.normal(size=rows)
    y = 0.3 * x + random.normal(size=rows)
    return pyarrow.table({"g": random.integers(0, 1000, size=rows, dtype=numpy.int32), "x": x, "y": y})


def clustered(rows: int) -> pyarrow.Table:
    """Nine features around six centres."""
    random = numpy.random.default_rng(2)
    centres = 3.0 * random.normal(size=(6, 9))
    values = centres[random.integers(6, size=rows)] + random.normal(size=(rows, 9))
    return pyarrow.table(dict(zip(FEATURES[:9], values.T)))


def linear(rows: int) -> pyarrow.Table:
    """Twelve features and a label that depends on them by a logistic law."""
    random = numpy.random.default_rng(3)
    values = random.normal(size=(rows, 12))
    margin = values @ random.normal(size=12) / 2
    return labelled(values, margin, random)


def curved(rows: int) -> pyarrow.Table:
    """Twelve features and a label with bends and products of them in its law."""
    random = numpy.random.default_rng(4)
    values = random.normal(size=(rows, 12))
    margin = values[:, 0] * values[:, 1] + numpy.abs(values[:, 2]) + numpy.sin(2 * values[:, 3]) + values[:, 4]
    return labelled(values, margin - 0.8, random)


def labelled(values: numpy.ndarray, margin: numpy.ndarray, random: numpy.random.Generator) -> pyarrow.Table:
    """A fifth of the rows is kept for testing."""
    happened = random.random(len(values)) < 1 / (1 + numpy.exp(-margin))
    columns = {"label": happened, "is_test": random.random(len(values)) < 0.2}
    return pyarrow.table({**dict(zip(FEATURES, values.T)), **columns})


def plays(rows: int) -> pyarrow.Table:
    """How often listeners played tracks, by ten tastes; a fifth of the pairs is kept for testing."""
    random = numpy.random.default_rng(5)
    users, items = max(250, rows // 100), max(100, rows // 200)
    tastes = random.dirichlet(numpy.full(10, 0.2), size=users)
    sounds = random.dirichlet(numpy.full(items, 0.1), size=10).cumsum(axis=1)
    drawn = 4 * rows
    user = random.integers(users, size=drawn)
    taste = (tastes.cumsum(axis=1)[user] < random.random(drawn)[:, None]).sum(axis=1).clip(max=9)
    item = numpy.empty(drawn, dtype=int)
    for number in range(10):
        of_taste = taste == number
        item[of_taste] = numpy.searchsorted(sounds[number], random.random(of_taste.sum())).clip(max=items - 1)
    pair, counts = numpy.unique(user * items + item, return_counts=True)
    chosen = numpy.sort(random.permutation(len(pair))[:rows])
    return pyarrow.table(
        {
            "user_id": pair[chosen] // items,
            "track_id": pair[chosen] % items,
            "plays": counts[chosen].astype(float),
            "is_test": random.random(len(chosen)) < 0.2,
        }
    )
