-- Counts that contradict each other.
select
    user_id,
    track_id,
    plays,
    measured_plays,
    completed_plays,
    skipped_plays
from gold.track_plays
where
    measured_plays > plays
    or completed_plays + skipped_plays > measured_plays;
