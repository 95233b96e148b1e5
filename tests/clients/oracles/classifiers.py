"""The types of model that predict a class, with options that keep them small."""

CLASSIFIERS = {
    "logistic": {},
}
