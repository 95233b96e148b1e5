-- Why each track was recommended: what every feature gave to its match score and, by the coach,
-- what the step in valence gave to its improvement score.
-- grain: one row per user_id, mode, track_id, feature
create or replace table gold.explanations as
with

recommendations as (
    select * from gold.recommendations
),

track_features as (
    select * from silver.track_features
),

profiles as (
    select * from listening_profile()
),

valued as (
    select
        recommendations.user_id,
        recommendations.mode,
        recommendations.track_id,
        recommendations.match_score,
        profiles.feature,
        profiles.typical,
        profiles.spread,
        profiles.weight,
        case profiles.feature
            when 'danceability' then track_features.danceability
            when 'energy' then track_features.energy
            when 'loudness' then track_features.loudness
            when 'speechiness' then track_features.speechiness
            when 'acousticness' then track_features.acousticness
            when 'instrumentalness' then track_features.instrumentalness
            when 'liveness' then track_features.liveness
            when 'valence' then track_features.valence
            when 'tempo' then track_features.tempo
        end as value
    from recommendations
    inner join profiles on recommendations.user_id = profiles.user_id
    inner join track_features on recommendations.track_id = track_features.track_id
),

-- These sum to the match score.
matched as (
    select
        user_id,
        mode,
        track_id,
        feature,
        value,
        typical,
        match_score as whole,
        weight * match_similarity(value, typical, spread) as contribution
    from valued
),

-- The improvement score has one part: how far the track leads from where the listener is.
improved as (
    select
        user_id,
        mode,
        track_id,
        'valence_step' as feature,
        valence_delta as value,
        0.0 as typical,
        improvement_score as whole,
        improvement_score as contribution
    from recommendations
    where mode = 'coach'
),

explained as (
    select
        user_id,
        mode,
        track_id,
        feature,
        value,
        typical,
        whole,
        contribution
    from matched
    union all
    select
        user_id,
        mode,
        track_id,
        feature,
        value,
        typical,
        whole,
        contribution
    from improved
)

select
    user_id,
    mode,
    track_id,
    feature,
    value,
    typical,
    contribution,
    case when whole > 0 then 100 * contribution / whole end as contribution_pct
from explained;
