-- What a listener's mornings, afternoons, evenings and nights sound like.
-- grain: one row per user_id and daypart that has plays
create or replace table gold.listening_by_daypart as
with

plays as (
    select * from silver.plays
),

sessions as (
    select * from silver.sessions
),

played as (
    select
        user_id,
        daypart,
        count(*) as plays,
        avg(valence) as mean_valence,
        avg(energy) as mean_energy,
        avg(cast(has_features as double)) as coverage
    from plays
    group by user_id, daypart
),

-- A session belongs to the part of the day in which it began. It is one of high energy where its
-- mean energy is above 0.8; sessions without known features are left out of that share.
begun as (
    select
        user_id,
        daypart,
        count(*) as sessions,
        avg(cast(mean_energy > 0.8 as double)) as high_energy_session_share
    from sessions
    group by user_id, daypart
)

select
    played.user_id,
    played.daypart,
    played.plays,
    coalesce(begun.sessions, 0) as sessions,
    begun.high_energy_session_share,
    played.mean_valence,
    played.mean_energy,
    played.coverage
from played
left join begun
    on
        played.user_id = begun.user_id
        and played.daypart = begun.daypart;
