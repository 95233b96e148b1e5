-- Sessions that are there twice, end before they start or hold no play.
select
    session_id,
    count(*) as copies
from silver.sessions
group by session_id
having count(*) > 1 or bool_or(ended_at < started_at) or min(plays) < 1;

-- Plays that the sessions lost or counted twice.
select
    count(plays.play_id) as plays_in_history,
    (select sum(sessions.plays) from silver.sessions) as plays_in_sessions
from silver.plays
having count(plays.play_id) <> coalesce((select sum(sessions.plays) from silver.sessions), 0);
