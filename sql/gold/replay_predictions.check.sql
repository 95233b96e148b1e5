-- Tracks that are there twice, or whose probability is none.
select
    user_id,
    track_id,
    count(*) as copies,
    max(probability) as probability
from gold.replay_predictions
group by user_id, track_id
having
    count(*) > 1
    or max(probability) not between 0 and 1
    or min(probability) not between 0 and 1;

-- Tracks that were played again already, or longer ago than thirty days before the last play.
with

latest as (
    select
        user_id,
        max(played_at) as played_at
    from silver.plays
    group by user_id
),

plays as (
    select
        user_id,
        track_id,
        max(played_at) as played_at
    from silver.plays
    group by user_id, track_id
)

select
    predictions.user_id,
    predictions.track_id,
    predictions.played_at,
    plays.played_at as last_played_at
from gold.replay_predictions as predictions
left join plays
    on predictions.user_id = plays.user_id and predictions.track_id = plays.track_id
left join latest on predictions.user_id = latest.user_id
where
    not coalesce(
        plays.played_at = predictions.played_at
        and predictions.played_at > latest.played_at - interval '30 days',
        false
    );
