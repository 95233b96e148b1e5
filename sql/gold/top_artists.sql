-- The hundred artists that a listener played most; a track counts for its first artist.
-- grain: one row per user_id and rank
create or replace table gold.top_artists as
with

track_plays as (
    select * from gold.track_plays
),

tracks as (
    select * from silver.tracks
),

artists as (
    select
        track_plays.user_id,
        tracks.artist,
        sum(track_plays.plays) as plays,
        sum(track_plays.ms_played) as ms_played
    from track_plays
    inner join tracks on track_plays.track_id = tracks.track_id
    where tracks.artist is not null
    group by track_plays.user_id, tracks.artist
),

ranked as (
    select
        user_id,
        artist,
        plays,
        ms_played,
        row_number() over (
            partition by user_id
            order by plays desc, ms_played desc, artist asc
        ) as place
    from artists
)

select
    user_id,
    cast(place as bigint) as rank,
    artist,
    plays,
    ms_played
from ranked
where place <= 100;
