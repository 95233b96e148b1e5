-- How each day of listening sounded.
-- grain: one row per user_id and local_date that has plays
create or replace table gold.mood_by_day as
with

plays as (
    select * from silver.plays
)

select
    user_id,
    local_date,
    count(*) as plays,
    avg(valence) as mean_valence,
    avg(energy) as mean_energy,
    avg(cast(has_features as double)) as coverage
from plays
group by user_id, local_date;
