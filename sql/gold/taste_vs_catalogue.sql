-- How what a listener plays differs in sound from what the catalogue offers.
-- grain: one row per user_id and feature
--
-- The mean over the listener's plays less the mean over the catalogue's tracks, which is a full
-- count and has no error of its own. Plays come in sessions, so the interval is that of a ratio
-- with sessions as clusters (Cochran 1977, Sampling Techniques, 3rd ed., chapter 6). The key is
-- left out: its number is a name.
create or replace table gold.taste_vs_catalogue as
with

sessions as (
    select * from silver.sessions
),

track_features as (
    select * from silver.track_features
),

listeners as (
    select * from gold.coverage
),

unpivoted as (
    select
        user_id,
        cast(plays_with_features as double) as plays,
        unnest([
            named_struct('feature', 'danceability', 'mean', mean_danceability),
            named_struct('feature', 'energy', 'mean', mean_energy),
            named_struct('feature', 'loudness', 'mean', mean_loudness),
            named_struct('feature', 'mode', 'mean', mean_mode),
            named_struct('feature', 'speechiness', 'mean', mean_speechiness),
            named_struct('feature', 'acousticness', 'mean', mean_acousticness),
            named_struct('feature', 'instrumentalness', 'mean', mean_instrumentalness),
            named_struct('feature', 'liveness', 'mean', mean_liveness),
            named_struct('feature', 'valence', 'mean', mean_valence),
            named_struct('feature', 'tempo', 'mean', mean_tempo),
            named_struct('feature', 'time_signature', 'mean', mean_time_signature)
        ]) as sounding
    from sessions
    where plays_with_features > 0
),

heard as (
    select
        user_id,
        plays,
        sounding['feature'] as feature,
        sounding['mean'] as mean
    from unpivoted
),

listened as (
    select
        user_id,
        feature,
        count(*) as sessions,
        sum(plays) as plays,
        sum(plays * mean) / sum(plays) as mean,
        sum(plays * plays) as squared_plays,
        sum(plays * plays * mean) as squared_plays_mean,
        sum(plays * plays * mean * mean) as squared_plays_mean_mean
    from heard
    group by user_id, feature
),

catalogue_means as (
    select
        unnest([
            named_struct(
                'feature',
                'danceability',
                'mean',
                avg(danceability),
                'deviation',
                stddev(danceability)
            ),
            named_struct('feature', 'energy', 'mean', avg(energy), 'deviation', stddev(energy)),
            named_struct(
                'feature', 'loudness', 'mean', avg(loudness), 'deviation', stddev(loudness)
            ),
            named_struct('feature', 'mode', 'mean', avg(mode), 'deviation', stddev(mode)),
            named_struct(
                'feature', 'speechiness', 'mean', avg(speechiness), 'deviation', stddev(speechiness)
            ),
            named_struct(
                'feature',
                'acousticness',
                'mean',
                avg(acousticness),
                'deviation',
                stddev(acousticness)
            ),
            named_struct(
                'feature',
                'instrumentalness',
                'mean',
                avg(instrumentalness),
                'deviation',
                stddev(instrumentalness)
            ),
            named_struct(
                'feature', 'liveness', 'mean', avg(liveness), 'deviation', stddev(liveness)
            ),
            named_struct('feature', 'valence', 'mean', avg(valence), 'deviation', stddev(valence)),
            named_struct('feature', 'tempo', 'mean', avg(tempo), 'deviation', stddev(tempo)),
            named_struct(
                'feature',
                'time_signature',
                'mean',
                avg(time_signature),
                'deviation',
                stddev(time_signature)
            )
        ]) as sounding
    from track_features
    where is_analysed
),

catalogue as (
    select
        sounding['feature'] as feature,
        sounding['mean'] as mean,
        sounding['deviation'] as deviation
    from catalogue_means
),

compared as (
    select
        listened.user_id,
        listened.feature,
        listened.sessions,
        listened.plays,
        listened.mean as listener_mean,
        catalogue.mean as catalogue_mean,
        listened.mean - catalogue.mean as difference,
        (listened.mean - catalogue.mean)
        / nullif(catalogue.deviation, 0) as standardised_difference,
        -- The sessions' squared distances from the mean, weighted by their plays. One session tells
        -- nothing of how sessions vary: then there is no interval.
        sqrt(
            greatest(
                listened.squared_plays_mean_mean
                - 2 * listened.mean * listened.squared_plays_mean
                + listened.mean * listened.mean * listened.squared_plays,
                0.0
            ) / (listened.plays * listened.plays)
            * listened.sessions / nullif(listened.sessions - 1, 0)
        ) as standard_error
    from listened
    inner join catalogue on listened.feature = catalogue.feature
)

select
    compared.user_id,
    compared.feature,
    compared.listener_mean,
    compared.catalogue_mean,
    compared.difference,
    compared.difference - 1.959964 * compared.standard_error as ci_low,
    compared.difference + 1.959964 * compared.standard_error as ci_high,
    -- In standard deviations of the catalogue, so that features compare.
    compared.standardised_difference,
    cast(compared.plays as bigint) as n,
    compared.sessions,
    listeners.share as coverage
from compared
inner join listeners on compared.user_id = listeners.user_id;
