-- Which listening modes belong to which part of a listener's day.
-- grain: one row per user_id, mode and daypart with sessions of that mode
--
-- The share of a mode among the sessions begun in that part of the day, against its share among
-- the listener's other sessions. The interval is for the difference of two shares, one interval of
-- 95 % for up to 20 such differences together (Bonferroni), since one looks for the clearest.
create or replace table gold.mode_by_daypart as
with

listening_modes as (
    select * from gold.listening_modes
),

mode_profiles as (
    select * from gold.mode_profiles
),

sessions as (
    select * from silver.sessions
),

listeners as (
    select * from gold.coverage
),

names as (
    select distinct
        mode,
        name
    from mode_profiles
),

counts as (
    select
        listening_modes.user_id,
        listening_modes.mode,
        sessions.daypart,
        count(*) as sessions
    from listening_modes
    inner join sessions on listening_modes.session_id = sessions.session_id
    group by listening_modes.user_id, listening_modes.mode, sessions.daypart
),

totals as (
    select
        user_id,
        mode,
        daypart,
        sessions,
        sum(sessions) over (partition by user_id, daypart) as daypart_sessions,
        sum(sessions) over (partition by user_id, mode) as mode_sessions,
        sum(sessions) over (partition by user_id) as all_sessions
    from counts
),

shares as (
    select
        user_id,
        mode,
        daypart,
        sessions,
        daypart_sessions,
        all_sessions,
        cast(sessions as double) / daypart_sessions as share,
        cast(mode_sessions - sessions as double)
        / nullif(all_sessions - daypart_sessions, 0) as other_share
    from totals
),

differences as (
    select
        user_id,
        mode,
        daypart,
        sessions,
        daypart_sessions,
        all_sessions,
        share,
        other_share,
        share - other_share as difference,
        sqrt(
            share * (1 - share) / daypart_sessions
            + other_share * (1 - other_share) / nullif(all_sessions - daypart_sessions, 0)
        ) as standard_error
    from shares
)

select
    differences.user_id,
    differences.mode,
    names.name,
    differences.daypart,
    differences.sessions,
    differences.daypart_sessions,
    differences.all_sessions,
    differences.share,
    differences.other_share,
    differences.difference,
    -- 3.02 standard errors either side: 95 % for 20 at once.
    differences.difference - 3.023341 * differences.standard_error as ci_low,
    differences.difference + 3.023341 * differences.standard_error as ci_high,
    differences.difference / nullif(differences.standard_error, 0) as z,
    listeners.share as coverage
from differences
inner join names on differences.mode = names.mode
inner join listeners on differences.user_id = listeners.user_id;
