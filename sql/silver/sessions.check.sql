-- Sessions that are there twice, end before they start or hold no play.
select
    session_id,
    count(*) as copies
from silver.sessions
group by session_id
having count(*) > 1 or bool_or(ended_at < started_at) or min(plays) < 1;

-- Plays that the sessions lost or counted twice.
with

history as (
    select count(*) as plays
    from silver.plays
),

counted as (
    select coalesce(sum(plays), 0) as plays
    from silver.sessions
)

select
    history.plays as plays_in_history,
    counted.plays as plays_in_sessions
from history
cross join counted
where history.plays <> counted.plays;
