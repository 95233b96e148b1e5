-- Every listener with the time zone that local times are given in; UTC where no import named one.
-- grain: one row per user_id
create or replace table silver.users as
with

plays as (
    select * from bronze.plays_extended
),

named_zones as (
    select * from bronze.users
),

listeners as (
    select user_id from plays
    union distinct
    select user_id from named_zones
),

-- The newest import wins; two of one moment are told apart by name, so that the result is stable.
newest_zones as (
    select
        user_id,
        timezone,
        row_number() over (
            partition by user_id
            order by _ingested_at desc, timezone asc
        ) as recency
    from named_zones
)

select
    listeners.user_id,
    coalesce(newest_zones.timezone, 'UTC') as timezone
from listeners
left join newest_zones
    on
        listeners.user_id = newest_zones.user_id
        and newest_zones.recency = 1;
