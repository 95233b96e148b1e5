-- Which tracks are played together: each listening session is a basket.
-- grain: one model; one row per session and track that was not skipped in it
-- retrain: 20%
create or replace model taste options (
    type = 'als',
    factors = 8,
    alpha = 5,
    l2 = 10,
    user = 'session_id',
    item = 'track_id',
    plays = 'plays',
    time = 'session_started_at',
    split = 'time',
    seed = 42,
    allow_untrained = true
) as
with

plays as (
    select * from silver.plays
)

-- A lake may have one listener, of whom listeners and tracks would say nothing; what one sitting
-- brings together says something of any lake.
select
    session_id,
    track_id,
    count(*) as plays,
    min(session_started_at) as session_started_at
from plays
where is_skipped is distinct from true
group by session_id, track_id;
