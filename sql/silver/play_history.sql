-- What was known when a play began, from the listener's earlier plays alone, and what came of it.
-- grain: one row per play_id
create or replace table silver.play_history as
with

plays as (
    select * from silver.plays
),

tracks as (
    select * from silver.tracks
),

named as (
    select
        plays.play_id,
        plays.user_id,
        plays.track_id,
        -- A track without an artist is by somebody of its own.
        coalesce(tracks.artist, plays.track_id) as artist,
        plays.played_at,
        cast(date_part('epoch', plays.played_at) as double) / 86400 as played_day,
        plays.is_completed
    from plays
    left join tracks on plays.track_id = tracks.track_id
),

-- Every frame ends before the play itself; equal times are told apart by the play's id.
looked_back as (
    select
        play_id,
        user_id,
        track_id,
        played_at,
        played_day,
        is_completed,
        count(*) over of_track as track_plays,
        avg(cast(is_completed as double)) over of_track as track_completion,
        played_day - lag(played_day) over by_track as days_since_track,
        played_day - lag(played_day, 2) over by_track as days_since_second,
        count(*) over of_artist as artist_plays,
        played_day - lag(played_day) over by_artist as days_since_artist,
        count(*) over of_listener as listener_plays,
        avg(cast(is_completed as double)) over of_listener as listener_completion,
        lead(played_day) over by_track as next_day,
        max(played_day) over (partition by user_id) as last_day
    from named
    window
        by_track as (partition by user_id, track_id order by played_at asc, play_id asc),
        by_artist as (partition by user_id, artist order by played_at asc, play_id asc),
        of_track as (
            partition by user_id, track_id order by played_at asc, play_id asc
            rows between unbounded preceding and 1 preceding
        ),
        of_artist as (
            partition by user_id, artist order by played_at asc, play_id asc
            rows between unbounded preceding and 1 preceding
        ),
        of_listener as (
            partition by user_id order by played_at asc, play_id asc
            rows between unbounded preceding and 1 preceding
        )
)

select
    play_id,
    user_id,
    track_id,
    played_at,
    track_plays,
    artist_plays,
    listener_plays,
    track_completion,
    listener_completion,
    days_since_track,
    days_since_second,
    days_since_artist,
    is_completed,
    -- Unknown until the thirty days are over, even if it came again: else the latest would all be
    -- replays.
    case
        when last_day >= played_day + 30 then coalesce(next_day <= played_day + 30, false)
    end as is_replayed,
    next_day is null as is_last_of_track
from looked_back;
