-- How much likelier a kind of sound is in a listener's mornings than in their evenings.
-- grain: one row per user_id and feature, where the listener plays in both parts of the day
--
-- The odds of a play above the threshold among morning plays, divided by the odds among evening
-- plays. Plays come in sessions and resemble each other there, so that the usual variance of a log
-- odds ratio (Woolf 1955, doi:10.1111/j.1469-1809.1955.tb01348.x: the sum of the four reciprocal
-- counts) would promise too much. This is the linearised variance with sessions as clusters (Liang
-- and Zeger 1986, doi:10.1093/biomet/73.1.13), and never less than Woolf's. With one of the four
-- counts at zero the ratio has no finite value: it and its interval are null.
create or replace table gold.daypart_lift as
with

plays as (
    select * from silver.plays
),

-- How many plays of each session fall into the morning (1) and the evening (0) and how many of them
-- are hits; few sessions have both.
sessions as (
    select
        user_id,
        session_id,
        count(*) as all_plays,
        count(*) filter (where has_features) as plays,
        count(*) filter (where has_features and daypart = 'morning') as plays_1,
        count(*) filter (where has_features and daypart = 'evening') as plays_0,
        count(*) filter (where energy > 0.8 and daypart = 'morning') as energy_1,
        count(*) filter (where energy > 0.8 and daypart = 'evening') as energy_0,
        count(*) filter (where valence > 0.5 and daypart = 'morning') as valence_1,
        count(*) filter (where valence > 0.5 and daypart = 'evening') as valence_0,
        count(*) filter (where danceability > 0.7 and daypart = 'morning') as danceability_1,
        count(*) filter (where danceability > 0.7 and daypart = 'evening') as danceability_0,
        count(*) filter (where acousticness > 0.5 and daypart = 'morning') as acousticness_1,
        count(*) filter (where acousticness > 0.5 and daypart = 'evening') as acousticness_0,
        count(*) filter (where instrumentalness > 0.7 and daypart = 'morning')
            as instrumentalness_1,
        count(*) filter (where instrumentalness > 0.7 and daypart = 'evening')
            as instrumentalness_0,
        count(*) filter (where tempo > 120.0 and daypart = 'morning') as tempo_1,
        count(*) filter (where tempo > 120.0 and daypart = 'evening') as tempo_0
    from plays
    where daypart in ('morning', 'evening')
    group by user_id, session_id
),

unpivoted as (
    select
        user_id,
        all_plays,
        plays,
        plays_1,
        plays_0,
        unnest([
            named_struct(
                'feature', 'energy', 'threshold', 0.8,
                'hits_1', cast(energy_1 as double), 'hits_0', cast(energy_0 as double)
            ),
            named_struct(
                'feature', 'valence', 'threshold', 0.5,
                'hits_1', cast(valence_1 as double), 'hits_0', cast(valence_0 as double)
            ),
            named_struct(
                'feature', 'danceability', 'threshold', 0.7,
                'hits_1', cast(danceability_1 as double), 'hits_0', cast(danceability_0 as double)
            ),
            named_struct(
                'feature', 'acousticness', 'threshold', 0.5,
                'hits_1', cast(acousticness_1 as double), 'hits_0', cast(acousticness_0 as double)
            ),
            named_struct(
                'feature', 'instrumentalness', 'threshold', 0.7,
                'hits_1',
                cast(instrumentalness_1 as double),
                'hits_0',
                cast(instrumentalness_0 as double)
            ),
            named_struct(
                'feature', 'tempo', 'threshold', 120.0,
                'hits_1', cast(tempo_1 as double), 'hits_0', cast(tempo_0 as double)
            )
        ]) as counted
    from sessions
),

hits as (
    select
        user_id,
        all_plays,
        plays,
        cast(plays_1 as double) as plays_1,
        cast(plays_0 as double) as plays_0,
        counted['feature'] as feature,
        counted['threshold'] as threshold,
        counted['hits_1'] as hits_1,
        counted['hits_0'] as hits_0
    from unpivoted
),

-- All that the ratio and its variance need, in one pass over the sessions.
sums as (
    select
        user_id,
        feature,
        threshold,
        sum(all_plays) as all_plays,
        sum(plays) as n,
        count(*) filter (where plays > 0) as sessions,
        sum(plays_1) as plays_1,
        sum(plays_0) as plays_0,
        sum(hits_1) as hits_1,
        sum(hits_0) as hits_0,
        sum(hits_1) / nullif(sum(plays_1), 0) as share_1,
        sum(hits_0) / nullif(sum(plays_0), 0) as share_0,
        sum(hits_1 * hits_1) as hits_1_hits_1,
        sum(hits_1 * plays_1) as hits_1_plays_1,
        sum(plays_1 * plays_1) as plays_1_plays_1,
        sum(hits_0 * hits_0) as hits_0_hits_0,
        sum(hits_0 * plays_0) as hits_0_plays_0,
        sum(plays_0 * plays_0) as plays_0_plays_0,
        sum(hits_1 * hits_0) as hits_1_hits_0,
        sum(hits_1 * plays_0) as hits_1_plays_0,
        sum(plays_1 * hits_0) as plays_1_hits_0,
        sum(plays_1 * plays_0) as plays_1_plays_0
    from hits
    group by user_id, feature, threshold
),

-- What the ratio rests on: a session strays from the shares by hits - share * plays in the morning
-- and in the evening; here are the sums over sessions of the squares and of the product of the two.
strayings as (
    select
        user_id,
        feature,
        threshold,
        all_plays,
        n,
        sessions,
        plays_1,
        plays_0,
        hits_1,
        hits_0,
        hits_1_hits_1 - 2 * share_1 * hits_1_plays_1
        + share_1 * share_1 * plays_1_plays_1 as squares_1,
        hits_0_hits_0 - 2 * share_0 * hits_0_plays_0
        + share_0 * share_0 * plays_0_plays_0 as squares_0,
        hits_1_hits_0 - share_0 * hits_1_plays_0 - share_1 * plays_1_hits_0
        + share_1 * share_0 * plays_1_plays_0 as products,
        -- By how much the log odds move for each play above the share; null at a share of 0 or 1.
        1 / nullif(plays_1 * share_1 * (1 - share_1), 0) as slope_1,
        1 / nullif(plays_0 * share_0 * (1 - share_0), 0) as slope_0
    from sums
),

ratios as (
    select
        user_id,
        feature,
        threshold,
        n,
        sessions,
        cast(n as double) / all_plays as coverage,
        ln(
            nullif(hits_1, 0) * nullif(plays_0 - hits_0, 0)
            / (nullif(hits_0, 0) * nullif(plays_1 - hits_1, 0))
        ) as log_odds_ratio,
        -- One session tells nothing of how sessions vary: then there is no interval.
        case
            when sessions > 1
                then sqrt(greatest(
                    (
                        slope_1 * slope_1 * squares_1 + slope_0 * slope_0 * squares_0
                        - 2 * slope_1 * slope_0 * products
                    ) * sessions / (sessions - 1),
                    1 / nullif(hits_1, 0) + 1 / nullif(plays_1 - hits_1, 0)
                    + 1 / nullif(hits_0, 0) + 1 / nullif(plays_0 - hits_0, 0)
                ))
        end as standard_error
    from strayings
    where plays_1 > 0 and plays_0 > 0
)

select
    user_id,
    feature,
    threshold,
    'morning' as daypart,
    'evening' as versus,
    exp(log_odds_ratio) as odds_ratio,
    -- 1.96 standard errors either side: 95 %.
    exp(log_odds_ratio - 1.959964 * standard_error) as ci_low,
    exp(log_odds_ratio + 1.959964 * standard_error) as ci_high,
    2 * normal_cdf(-abs(log_odds_ratio) / standard_error) as p_value,
    n,
    sessions,
    coverage
from ratios;
