-- When in the week a listener plays how much, and how it sounds.
-- grain: one row per user_id, weekday and hour that has plays, in the listener's time
create or replace table gold.listening_by_hour as
with

plays as (
    select * from silver.plays
)

select
    user_id,
    weekday,
    hour,
    count(*) as plays,
    sum(ms_played) as ms_played,
    avg(valence) as mean_valence,
    avg(energy) as mean_energy,
    avg(cast(has_features as double)) as coverage
from plays
group by user_id, weekday, hour;
