-- Stretches of listening without a pause of 30 minutes, with the mean features of what was played.
-- grain: one row per session_id
create or replace table silver.sessions as
with

plays as (
    select * from silver.plays
),

users as (
    select * from silver.users
),

-- Sums are of decimals, which come out the same in whatever order plays are added up: so does a
-- model that is trained on their means.
sessions as (
    select
        user_id,
        session_id,
        min(session_started_at) as started_at,
        max(played_at) as ended_at,
        count(*) as plays,
        count(*) filter (where has_features) as plays_with_features,
        sum(ms_played) as ms_played,
        cast(sum(cast(danceability as decimal(20, 9))) as double)
        / count(danceability) as mean_danceability,
        cast(sum(cast(energy as decimal(20, 9))) as double)
        / count(energy) as mean_energy,
        cast(sum(cast(key as decimal(20, 9))) as double)
        / count(key) as mean_key,
        cast(sum(cast(loudness as decimal(20, 9))) as double)
        / count(loudness) as mean_loudness,
        cast(sum(cast(mode as decimal(20, 9))) as double)
        / count(mode) as mean_mode,
        cast(sum(cast(speechiness as decimal(20, 9))) as double)
        / count(speechiness) as mean_speechiness,
        cast(sum(cast(acousticness as decimal(20, 9))) as double)
        / count(acousticness) as mean_acousticness,
        cast(sum(cast(instrumentalness as decimal(20, 9))) as double)
        / count(instrumentalness) as mean_instrumentalness,
        cast(sum(cast(liveness as decimal(20, 9))) as double)
        / count(liveness) as mean_liveness,
        cast(sum(cast(valence as decimal(20, 9))) as double)
        / count(valence) as mean_valence,
        cast(sum(cast(tempo as decimal(20, 9))) as double)
        / count(tempo) as mean_tempo,
        cast(sum(cast(time_signature as decimal(20, 9))) as double)
        / count(time_signature) as mean_time_signature
    from plays
    group by user_id, session_id
),

-- A session belongs to the day and the part of the day, by the listener's clock, in which it began.
localised as (
    select
        sessions.user_id,
        sessions.session_id,
        sessions.started_at,
        sessions.ended_at,
        sessions.plays,
        sessions.plays_with_features,
        sessions.ms_played,
        sessions.mean_danceability,
        sessions.mean_energy,
        sessions.mean_key,
        sessions.mean_loudness,
        sessions.mean_mode,
        sessions.mean_speechiness,
        sessions.mean_acousticness,
        sessions.mean_instrumentalness,
        sessions.mean_liveness,
        sessions.mean_valence,
        sessions.mean_tempo,
        sessions.mean_time_signature,
        local_time(sessions.started_at, users.timezone) as local_at
    from sessions
    inner join users on sessions.user_id = users.user_id
)

select
    user_id,
    session_id,
    started_at,
    ended_at,
    cast(local_at as date) as local_date,
    case
        when date_part('hour', local_at) between 6 and 11 then 'morning'
        when date_part('hour', local_at) between 12 and 16 then 'afternoon'
        when date_part('hour', local_at) between 17 and 21 then 'evening'
        else 'night'
    end as daypart,
    plays,
    plays_with_features,
    ms_played,
    mean_danceability,
    mean_energy,
    mean_key,
    mean_loudness,
    mean_mode,
    mean_speechiness,
    mean_acousticness,
    mean_instrumentalness,
    mean_liveness,
    mean_valence,
    mean_tempo,
    mean_time_signature
from localised;
