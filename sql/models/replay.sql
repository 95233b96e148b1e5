-- Whether a listener plays a track again within thirty days of a play of it.
-- grain: one model; one row per play whose thirty days are over
-- retrain: 20%
create or replace model replay options (
    type = 'logistic',
    label = 'is_replayed',
    split = 'time',
    time = 'played_at',
    gap_days = 30,
    group = 'track_id',
    seed = 42,
    allow_untrained = true
) as
with

play_history as (
    select * from silver.play_history
)

-- Counts and days differ by factors, so their logarithms. What never happened was long ago: a year.
select
    ln(1 + track_plays) as track_plays,
    ln(1 + artist_plays) as artist_plays,
    ln(1 + listener_plays) as listener_plays,
    coalesce(track_completion, 0.5) as track_completion,
    ln(1 + coalesce(days_since_track, 365)) as days_since_track,
    ln(1 + coalesce(days_since_second, 365)) as days_since_second,
    ln(1 + coalesce(days_since_artist, 365)) as days_since_artist,
    -- Not features: when it happened, so that it is judged on plays later than those it learns from,
    -- and what it happened to, whose plays are drawn together for the intervals.
    played_at,
    track_id,
    is_replayed
from play_history
where is_replayed is not null;
