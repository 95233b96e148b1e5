-- Twenty tracks for every listener in each mode: what fits, and what fits and leads a step up.
-- grain: one row per user_id, mode, rank
create or replace table gold.recommendations as
with

mirrored as (
    select * from recommend_all(mode => 'mirror', k => 20)
),

coached as (
    select * from recommend_all(mode => 'coach', k => 20)
)

select
    user_id,
    mode,
    rank,
    track_id,
    track_name,
    artist,
    score,
    match_score,
    improvement_score,
    valence_delta,
    energy_delta,
    tempo_delta_pct,
    reason,
    because
from mirrored
union all
select
    user_id,
    mode,
    rank,
    track_id,
    track_name,
    artist,
    score,
    match_score,
    improvement_score,
    valence_delta,
    energy_delta,
    tempo_delta_pct,
    reason,
    because
from coached;
