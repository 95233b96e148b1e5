"""Superset for one test run: nothing is kept, and nothing is served."""

import os

from moodlake_sqlalchemy.grammar import SQLGLOT_DIALECTS_EXTENSIONS  # noqa: F401

SECRET_KEY = "of one test run"
SQLALCHEMY_DATABASE_URI = f"sqlite:///{os.environ['SUPERSET_HOME']}/superset.db"
CACHE_CONFIG = DATA_CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}
FILTER_STATE_CACHE_CONFIG = EXPLORE_FORM_DATA_CACHE_CONFIG = {"CACHE_TYPE": "SimpleCache"}
RATELIMIT_ENABLED = False
