"""How well a factorisation ranks what listeners played and it was not shown."""

import numpy

BEST = 20
# Listeners whose rankings are judged.
JUDGED = 200


def ndcg(scores: numpy.ndarray, known: numpy.ndarray, hidden: numpy.ndarray) -> float:
    """NDCG@20 over all tracks that a listener is not known to have played; each argument `[n_users][n_items]`."""
    ranked = numpy.where(known, -numpy.inf, scores).argsort(axis=1)[:, ::-1][:, :BEST]
    discounts = 1 / numpy.log2(numpy.arange(BEST) + 2)
    gains = numpy.take_along_axis(hidden, ranked, axis=1) @ discounts
    relevant = hidden.sum(axis=1)
    best = numpy.array([discounts[:count].sum() for count in relevant])
    return float((gains[relevant > 0] / best[relevant > 0]).mean())


def judged(user, item, is_test, items: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """What the first listeners are known to have played, and what is hidden."""
    known, hidden = (numpy.zeros((JUDGED, items), dtype=bool) for _ in range(2))
    first = user < JUDGED
    known[user[first & ~is_test], item[first & ~is_test]] = True
    hidden[user[first & is_test], item[first & is_test]] = True
    return known, hidden
