"""SQLAlchemy for Moodlake: `create_engine("datafusion+adbc://user:password@host:50051/moodlake")`.

The engine spec in `superset` is left alone here, so that nothing but Superset imports Superset.
"""

from .dialect import MoodlakeDialect
from .types import INTERVAL, MAP, STRUCT

__all__ = ["INTERVAL", "MAP", "STRUCT", "MoodlakeDialect"]
