"""The types of model that predict a class, with options that keep them small."""

CLASSIFIERS = {
    "logistic": {},
    "random_forest": {"trees": 60, "min_samples_leaf": 20},
    "gbdt": {"trees": 60, "leaves": 7, "learning_rate": 0.05},
}
