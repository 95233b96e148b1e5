"""Trees and factors as the registry keeps them."""

import base64

import numpy

LEAF = 0xFFFF


def read(text: str) -> dict[str, numpy.ndarray]:
    """The arrays of one tree, a leaf's children and feature being -1."""
    data, at = base64.b64decode(text), 0

    def take(kind: str, count: int) -> numpy.ndarray:
        nonlocal at
        found = numpy.frombuffer(data, kind, count, at)
        at += found.nbytes
        return found

    nodes, values = (int(count) for count in take("<u4", 2))
    features, right, covers = take("<u2", nodes), take("<u4", nodes), take("<f8", nodes)
    missing_left = numpy.unpackbits(take("u1", -(-nodes // 8)), bitorder="little")[:nodes]
    is_split = features != LEAF
    thresholds = numpy.zeros(nodes)
    thresholds[is_split] = take("<f8", is_split.sum())
    values = take("<f8", values)
    assert at == len(data)
    left = numpy.where(is_split, numpy.arange(1, nodes + 1), -1)
    # Of a leaf, `right` is its number.
    width = len(values) // max(1, (~is_split).sum())
    answers = numpy.zeros((nodes, width))
    answers[~is_split] = values.reshape(-1, width)[right[~is_split]]
    right = numpy.where(is_split, right, -1)
    return {
        "children_left": left,
        "children_right": right,
        "children_default": numpy.where(is_split, numpy.where(missing_left, left, right), -1),
        "features": numpy.where(is_split, features, -1),
        "thresholds": thresholds,
        "values": answers,
        "node_sample_weight": covers,
    }


def for_shap(artifact: dict, output: int) -> dict:
    """One output of an ensemble, as shap takes a model that no library made."""
    trees = [read(text) for text in artifact["trees"]]
    outputs = len(artifact["base"])
    if artifact["combination"] == "mean":
        for tree in trees:
            tree["values"] = tree["values"][:, [output]] / len(trees)
    else:
        trees = trees[output::outputs]
    return {
        "trees": trees,
        "base_offset": artifact["base"][output],
        "internal_dtype": numpy.float64,
        "input_dtype": numpy.float64,
        "tree_output": "raw_value",
    }


def factors(text: str) -> numpy.ndarray:
    """A matrix of factors `[n_rows][n_factors]`."""
    data = base64.b64decode(text)
    [width] = numpy.frombuffer(data, "<u4", 1)
    return numpy.frombuffer(data, "<f4", offset=4).reshape(-1, width).astype(float)
