-- Listeners whose plays do not add up.
select
    user_id,
    sum(plays) as plays
from gold.listening_by_hour
group by user_id
having
    sum(plays) <> (
        select count(*) from silver.plays
        where plays.user_id = listening_by_hour.user_id
    );
