"""Data whose truth is known, made from seeds."""

import numpy

FEATURES = ["danceability", "energy", "loudness", "valence", "tempo"]


def features(rows: int, seed: int) -> dict[str, numpy.ndarray]:
    """Five features in the units of audio features, some of them correlated."""
    random = numpy.random.default_rng(seed)
    shared = random.normal(size=rows)
    return {
        "danceability": 0.6 + 0.15 * random.normal(size=rows),
        "energy": 0.6 + 0.1 * shared + 0.1 * random.normal(size=rows),
        "loudness": -8.0 + 2.0 * shared + 2.0 * random.normal(size=rows),
        "valence": random.beta(2.0, 2.0, size=rows),
        "tempo": 120.0 + 25.0 * random.normal(size=rows),
    }


def matrix(columns: dict[str, numpy.ndarray]) -> numpy.ndarray:
    """The features `[n_rows][n_features]` in the order of FEATURES."""
    return numpy.column_stack([columns[name] for name in FEATURES])


def standardised(values: numpy.ndarray) -> numpy.ndarray:
    """Each column less its mean, over its standard deviation."""
    return (values - values.mean(axis=0)) / values.std(axis=0)


def finished(rows: int, seed: int) -> tuple[dict[str, numpy.ndarray], numpy.ndarray]:
    """Plays that were finished or not by a logistic law: their columns, and the true probabilities."""
    columns = features(rows, seed)
    margin = standardised(matrix(columns)) @ numpy.array([1.0, 0.6, -0.4, 0.8, -0.2]) - 0.3
    probability = 1.0 / (1.0 + numpy.exp(-margin))
    happened = numpy.random.default_rng(seed + 1).random(rows) < probability
    return {**columns, "is_finished": happened}, probability


def moods(rows: int, seed: int) -> dict[str, numpy.ndarray]:
    """Tracks of three moods by a multinomial law."""
    columns = features(rows, seed)
    directions = numpy.array(
        [[1.0, -0.5, 0.2, 0.8, 0.0], [-1.0, 0.3, 0.1, -0.6, 0.4], [0.0, 0.9, -0.5, 0.1, -0.7]]
    )
    random = numpy.random.default_rng(seed + 1)
    margins = standardised(matrix(columns)) @ directions.T + random.gumbel(size=(rows, 3))
    names = numpy.array(["happy", "calm", "party"])
    return {**columns, "mood": names[margins.argmax(axis=1)]}


def clusters(rows: int, seed: int, centres: int) -> dict[str, numpy.ndarray]:
    """Tracks around overlapping centres."""
    random = numpy.random.default_rng(seed)
    centre = 2.0 * random.normal(size=(centres, len(FEATURES)))
    values = centre[random.integers(centres, size=rows)] + random.normal(size=(rows, len(FEATURES)))
    return dict(zip(FEATURES, values.T))


def curved(rows: int, seed: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Standardised features, and a margin that bends and multiplies them."""
    values = standardised(matrix(features(rows, seed)))
    danceability, energy, loudness, valence, tempo = values.T
    margin = danceability * energy + numpy.abs(loudness) + numpy.sin(2 * valence) + 0.5 * tempo
    return values, 1.5 * (margin - margin.mean())


def plays(users: int, items: int, seed: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """How often each listener played each track `[n_users][n_items]`, before and after a day, by eight tastes."""
    random = numpy.random.default_rng(seed)
    tastes = random.dirichlet(numpy.full(8, 0.3), size=users)
    sounds = random.dirichlet(numpy.full(8, 0.3), size=items)
    popularity = random.lognormal(0.0, 0.5, size=items)
    rates = (tastes @ sounds.T) * popularity
    rates *= 60.0 / rates.sum(axis=1, keepdims=True)
    return random.poisson(rates), random.poisson(rates / 2)
