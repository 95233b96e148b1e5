-- How often a listener played each track and how much of it they heard.
-- grain: one row per user_id and track_id played
create or replace table gold.track_plays as
with

plays as (
    select * from silver.plays
)

select
    user_id,
    track_id,
    count(*) as plays,
    sum(ms_played) as ms_played,
    -- Plays of tracks whose length is known, and those of them that were finished.
    count(is_completed) as measured_plays,
    count(*) filter (where is_completed) as completed_plays,
    avg(completion) as mean_completion,
    count(*) filter (where is_skipped) as skipped_plays,
    min(played_at) as first_played_at,
    max(played_at) as last_played_at
from plays
group by user_id, track_id;
