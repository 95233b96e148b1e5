-- Which genres a listener's plays belong to.
-- grain: one row per user_id and genre played
create or replace table gold.genre_mix as
with

track_plays as (
    select * from gold.track_plays
),

track_genres as (
    select * from silver.track_genres
),

-- A play counts in every genre of its track, but weighs there only its part of the track, so that
-- a listener's shares add up to 1.
genres as (
    select
        track_plays.user_id,
        track_genres.genre,
        sum(track_plays.plays) as plays,
        sum(track_plays.plays * track_genres.weight) as weight
    from track_plays
    inner join track_genres on track_plays.track_id = track_genres.track_id
    group by track_plays.user_id, track_genres.genre
),

listeners as (
    select
        user_id,
        sum(plays) as plays
    from track_plays
    group by user_id
),

known as (
    select
        user_id,
        sum(weight) as weight
    from genres
    group by user_id
)

select
    genres.user_id,
    genres.genre,
    genres.plays,
    genres.weight / known.weight as share,
    -- The part of the listener's plays whose genre is known; of the rest the table says nothing.
    known.weight / listeners.plays as coverage
from genres
inner join known on genres.user_id = known.user_id
inner join listeners on genres.user_id = listeners.user_id;
