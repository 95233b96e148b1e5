-- Hours that are there twice, or plays that none of them holds.
with

history as (
    select
        user_id,
        weekday,
        hour,
        count(*) as plays
    from silver.plays
    group by user_id, weekday, hour
)

select
    history.user_id,
    history.weekday,
    history.hour,
    history.plays as plays_in_history,
    sum(listening_by_hour.plays) as plays
from history
full join gold.listening_by_hour
    on
        history.user_id = listening_by_hour.user_id
        and history.weekday = listening_by_hour.weekday
        and history.hour = listening_by_hour.hour
group by history.user_id, history.weekday, history.hour, history.plays
having coalesce(sum(listening_by_hour.plays) <> history.plays, true);
