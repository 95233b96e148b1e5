-- How often a listener finishes tracks of one sound, and how often the rest.
-- grain: one row per user_id, feature and bucket that has plays
--
-- The share of plays that reached 90 % of the track. A track that is played often is finished or
-- left again and again, so that plays are not independent: the variance of the share is that of a
-- ratio with tracks as clusters (Cochran 1977, Sampling Techniques, 3rd ed., chapter 6), and the
-- interval is Wilson's (1927, doi:10.1080/01621459.1927.10502953) at the number of plays that
-- would leave as much doubt if they were independent. It stays within 0 and 1 at the ends too.
create or replace table gold.completion_by_feature as
with

track_plays as (
    select * from gold.track_plays
),

track_features as (
    select * from silver.track_features
),

listeners as (
    select * from gold.coverage
),

tracks as (
    select
        track_plays.user_id,
        track_features.valence < 0.3 as is_low_valence,
        track_features.instrumentalness > 0.7 as is_instrumental,
        track_features.energy > 0.8 as is_high_energy,
        cast(track_plays.measured_plays as double) as plays,
        cast(track_plays.completed_plays as double) as completed
    from track_plays
    inner join track_features on track_plays.track_id = track_features.track_id
    where track_features.is_analysed and track_plays.measured_plays > 0
),

-- Tracks of the same answers are added up first, then counted in each of the three comparisons.
track_groups as (
    select
        user_id,
        is_low_valence,
        is_instrumental,
        is_high_energy,
        count(*) as n_tracks,
        sum(plays) as plays,
        sum(completed) as completed,
        sum(plays * plays) as squared_plays,
        sum(completed * completed) as squared_completed,
        sum(plays * completed) as products
    from tracks
    group by user_id, is_low_valence, is_instrumental, is_high_energy
),

unpivoted as (
    select
        user_id,
        n_tracks,
        plays,
        completed,
        squared_plays,
        squared_completed,
        products,
        unnest([
            named_struct(
                'feature', 'valence', 'side', 'below', 'threshold', 0.3,
                'is_beyond', is_low_valence
            ),
            named_struct(
                'feature', 'instrumentalness', 'side', 'above', 'threshold', 0.7,
                'is_beyond', is_instrumental
            ),
            named_struct(
                'feature', 'energy', 'side', 'above', 'threshold', 0.8,
                'is_beyond', is_high_energy
            )
        ]) as judged
    from track_groups
),

answers as (
    select
        user_id,
        n_tracks,
        plays,
        completed,
        squared_plays,
        squared_completed,
        products,
        judged['feature'] as feature,
        judged['threshold'] as threshold,
        judged['side'] as side,
        judged['is_beyond'] as is_beyond
    from unpivoted
),

sums as (
    select
        user_id,
        feature,
        threshold,
        side,
        is_beyond,
        sum(n_tracks) as n_tracks,
        sum(plays) as plays,
        sum(completed) as completed,
        sum(squared_plays) as squared_plays,
        sum(squared_completed) as squared_completed,
        sum(products) as products
    from answers
    group by user_id, feature, threshold, side, is_beyond
),

shares as (
    select
        user_id,
        feature,
        threshold,
        side,
        is_beyond,
        n_tracks,
        plays,
        completed / plays as share,
        (
            squared_completed
            - 2 * (completed / plays) * products
            + (completed / plays) * (completed / plays) * squared_plays
        ) / (plays * plays) * n_tracks / nullif(n_tracks - 1, 0) as cluster_variance,
        (completed / plays) * (1 - completed / plays) / plays as plain_variance
    from sums
),

-- The clusters may only add doubt: by chance or with few tracks their variance comes out too small.
-- A single track is a single piece of evidence, however often it was played.
doubts as (
    select
        user_id,
        feature,
        threshold,
        side,
        is_beyond,
        n_tracks,
        plays,
        share,
        plain_variance,
        case
            when n_tracks > 1 then greatest(cluster_variance, plain_variance)
            else plain_variance * plays
        end as variance
    from shares
),

effective as (
    select
        user_id,
        feature,
        threshold,
        side,
        is_beyond,
        n_tracks,
        plays,
        share,
        sqrt(variance) as standard_error,
        case
            when n_tracks = 1 then 1.0
            when variance > 0 then plays * plain_variance / variance
            else plays
        end as n
    from doubts
),

intervals as (
    select
        user_id,
        feature,
        case
            when not is_beyond then 'rest'
            when side = 'below' then concat('< ', cast(threshold as string))
            else concat('> ', cast(threshold as string))
        end as bucket,
        share as completion,
        -- z = 1.96, z * z = 3.84: 95 %.
        (
            share + 3.841458881296 / (2 * n)
            - 1.959964 * sqrt(share * (1 - share) / n + 3.841458881296 / (4 * n * n))
        ) / (1 + 3.841458881296 / n) as ci_low,
        (
            share + 3.841458881296 / (2 * n)
            + 1.959964 * sqrt(share * (1 - share) / n + 3.841458881296 / (4 * n * n))
        ) / (1 + 3.841458881296 / n) as ci_high,
        cast(plays as bigint) as n,
        n_tracks,
        standard_error
    from effective
)

select
    intervals.user_id,
    intervals.feature,
    intervals.bucket,
    intervals.completion,
    intervals.ci_low,
    intervals.ci_high,
    intervals.n,
    intervals.n_tracks,
    intervals.standard_error,
    listeners.share as coverage
from intervals
inner join listeners on intervals.user_id = listeners.user_id;
