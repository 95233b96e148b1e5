-- How much of a listener's history has audio features: the weight of every figure about mood.
-- grain: one row per user_id
create or replace table gold.coverage as
with

plays as (
    select * from silver.plays
)

select
    user_id,
    count(*) as plays,
    count(*) filter (where has_features) as plays_with_features,
    avg(cast(has_features as double)) as share
from plays
group by user_id;
