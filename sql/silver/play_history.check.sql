-- Plays that are missing, doubled, or know more than was known when they began.
with

counted as (
    select
        play_id,
        row_number() over (partition by user_id order by played_at asc, play_id asc) - 1
            as plays_before,
        row_number() over (partition by user_id, track_id order by played_at asc, play_id asc) - 1
            as track_plays_before
    from silver.plays
)

select
    counted.play_id,
    counted.plays_before,
    history.listener_plays,
    counted.track_plays_before,
    history.track_plays
from counted
full outer join silver.play_history as history on counted.play_id = history.play_id
where
    coalesce(counted.plays_before <> history.listener_plays, true)
    or coalesce(counted.track_plays_before <> history.track_plays, true)
    or history.artist_plays not between history.track_plays and history.listener_plays;

-- Plays that are there twice.
select
    play_id,
    count(*) as copies
from silver.play_history
group by play_id
having count(*) > 1;
