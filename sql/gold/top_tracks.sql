-- The hundred tracks that a listener played most.
-- grain: one row per user_id and rank
create or replace table gold.top_tracks as
with

track_plays as (
    select * from gold.track_plays
),

tracks as (
    select * from silver.tracks
),

ranked as (
    select
        user_id,
        track_id,
        plays,
        ms_played,
        row_number() over (
            partition by user_id
            order by plays desc, ms_played desc, track_id asc
        ) as place
    from track_plays
)

select
    ranked.user_id,
    cast(ranked.place as bigint) as rank,
    ranked.track_id,
    tracks.track_name,
    tracks.artist,
    ranked.plays,
    ranked.ms_played
from ranked
left join tracks on ranked.track_id = tracks.track_id
where ranked.place <= 100;
