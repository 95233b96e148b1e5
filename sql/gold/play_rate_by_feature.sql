-- How often a listener plays tracks of one sound, compared with the other tracks of the catalogue.
-- grain: one row per user_id and feature
--
-- Plays per track of the catalogue, those never played included, of the tracks beyond the threshold
-- (`side` of it) divided by that of the rest. Genres differ in both, so the ratio is taken within
-- genres and summed over them with the weights of Mantel and Haenszel (for rates: Greenland and
-- Robins 1985, doi:10.2307/2530643). A track stands in its first genre only. The usual variance
-- takes plays for Poisson counts, but a listener returns to a track they like: this one is the
-- delta method over the variance of plays between the tracks of each genre, as counted.
create or replace table gold.play_rate_by_feature as
with

track_plays as (
    select * from gold.track_plays
),

track_features as (
    select * from silver.track_features
),

track_genres as (
    select * from silver.track_genres
),

listeners as (
    select * from gold.coverage
),

-- The three questions of each track. Sums are taken over tracks of the same answers first: a track
-- is in three comparisons but is added up once.
catalogue as (
    select
        track_features.track_id,
        coalesce(track_genres.genre, 'none') as genre,
        track_features.valence < 0.3 as is_low_valence,
        track_features.instrumentalness > 0.7 as is_instrumental,
        track_features.energy > 0.8 as is_high_energy
    from track_features
    left join track_genres
        on
            track_features.track_id = track_genres.track_id
            and track_genres.is_first
    where track_features.is_analysed
),

catalogue_groups as (
    select
        genre,
        is_low_valence,
        is_instrumental,
        is_high_energy,
        count(*) as tracks
    from catalogue
    group by genre, is_low_valence, is_instrumental, is_high_energy
),

catalogue_unpivoted as (
    select
        genre,
        tracks,
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
    from catalogue_groups
),

catalogue_answers as (
    select
        genre,
        tracks,
        judged['feature'] as feature,
        judged['side'] as side,
        judged['threshold'] as threshold,
        judged['is_beyond'] as is_beyond
    from catalogue_unpivoted
),

-- Of every genre: its tracks beyond the threshold and the others. One kind alone has nothing to be
-- compared with.
strata as (
    select
        genre,
        feature,
        side,
        threshold,
        sum(tracks) filter (where is_beyond) as tracks_beyond,
        sum(tracks) filter (where not is_beyond) as tracks_rest
    from catalogue_answers
    group by genre, feature, side, threshold
    having
        sum(tracks) filter (where is_beyond) > 0
        and sum(tracks) filter (where not is_beyond) > 0
),

played_groups as (
    select
        track_plays.user_id,
        catalogue.genre,
        catalogue.is_low_valence,
        catalogue.is_instrumental,
        catalogue.is_high_energy,
        sum(track_plays.plays) as plays,
        sum(track_plays.plays * track_plays.plays) as squared_plays
    from track_plays
    inner join catalogue on track_plays.track_id = catalogue.track_id
    group by
        track_plays.user_id,
        catalogue.genre,
        catalogue.is_low_valence,
        catalogue.is_instrumental,
        catalogue.is_high_energy
),

played_unpivoted as (
    select
        user_id,
        genre,
        plays,
        squared_plays,
        unnest([
            named_struct('feature', 'valence', 'is_beyond', is_low_valence),
            named_struct('feature', 'instrumentalness', 'is_beyond', is_instrumental),
            named_struct('feature', 'energy', 'is_beyond', is_high_energy)
        ]) as judged
    from played_groups
),

played_answers as (
    select
        user_id,
        genre,
        plays,
        squared_plays,
        judged['feature'] as feature,
        judged['is_beyond'] as is_beyond
    from played_unpivoted
),

played as (
    select
        user_id,
        genre,
        feature,
        is_beyond,
        sum(plays) as plays,
        sum(squared_plays) as squared_plays
    from played_answers
    group by user_id, genre, feature, is_beyond
),

-- The weights: what the other side has of the genre's tracks.
weighted as (
    select
        played.user_id,
        played.feature,
        played.is_beyond,
        played.plays,
        played.squared_plays,
        cast(
            case
                when played.is_beyond then strata.tracks_beyond else strata.tracks_rest
            end as double
        )
            as tracks,
        cast(
            case
                when played.is_beyond then strata.tracks_rest else strata.tracks_beyond
            end as double
        )
        / (strata.tracks_beyond + strata.tracks_rest) as weight
    from played
    inner join strata
        on
            played.genre = strata.genre
            and played.feature = strata.feature
),

-- The sum over a genre's tracks varies by their number times the variance between them, which a
-- single track leaves open: then its own square stands for it.
varied as (
    select
        user_id,
        feature,
        is_beyond,
        weight * plays as rate,
        weight * weight * case
            when tracks > 1
                then
                    tracks
                    / (tracks - 1)
                    * (squared_plays - cast(plays as double) * plays / tracks)
            else squared_plays
        end as variance
    from weighted
),

sides as (
    select
        user_id,
        feature,
        sum(rate) filter (where is_beyond) as beyond_rate,
        sum(rate) filter (where not is_beyond) as rest_rate,
        sum(variance) filter (where is_beyond) as beyond_variance,
        sum(variance) filter (where not is_beyond) as rest_variance
    from varied
    group by user_id, feature
),

questions as (
    select
        feature,
        side,
        threshold,
        sum(tracks_beyond + tracks_rest) as n_tracks,
        sum(tracks_beyond) as n_tracks_beyond
    from strata
    group by feature, side, threshold
),

-- A side that was never played has the rate 0 and leaves the ratio or its interval open.
ratios as (
    select
        listeners.user_id,
        listeners.share as coverage,
        questions.feature,
        questions.side,
        questions.threshold,
        questions.n_tracks,
        questions.n_tracks_beyond,
        coalesce(sides.beyond_rate, 0.0) / nullif(sides.rest_rate, 0) as rate_ratio,
        sqrt(
            sides.beyond_variance / nullif(sides.beyond_rate * sides.beyond_rate, 0)
            + sides.rest_variance / nullif(sides.rest_rate * sides.rest_rate, 0)
        ) as standard_error
    from listeners
    cross join questions
    left join sides
        on
            listeners.user_id = sides.user_id
            and questions.feature = sides.feature
    where listeners.plays_with_features > 0
)

select
    user_id,
    feature,
    threshold,
    side,
    rate_ratio,
    -- 1.96 standard errors either side of the logarithm: 95 %.
    rate_ratio * exp(-1.959964 * standard_error) as ci_low,
    rate_ratio * exp(1.959964 * standard_error) as ci_high,
    2 * normal_cdf(-abs(ln(nullif(rate_ratio, 0))) / standard_error) as p_value,
    n_tracks,
    n_tracks_beyond,
    coverage
from ratios;
