-- Plays that are said to be replayed, or not, before their thirty days are over.
with

latest as (
    select
        user_id,
        max(played_at) as last_at
    from silver.plays
    group by user_id
)

select
    history.play_id,
    history.played_at,
    latest.last_at
from silver.play_history as history
inner join latest on history.user_id = latest.user_id
where
    history.is_replayed is not null
    and history.played_at > latest.last_at - interval '30 days';

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
