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

-- Rows that are there twice.
select
    user_id,
    track_id,
    count(*) as copies
from gold.track_plays
group by user_id, track_id
having count(*) > 1;

-- Plays that got lost or were counted twice.
select coalesce(sum(plays), 0) as plays
from gold.track_plays
having coalesce(sum(plays), 0) <> (select count(*) from silver.plays);
