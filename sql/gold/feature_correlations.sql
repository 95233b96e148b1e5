-- Which features go with how often, how far and when a listener plays.
-- grain: one row per user_id, feature and outcome
--
-- r is Pearson's, with Fisher's interval. Its test asks for independent pairs, so a pair is what
-- the outcome belongs to: a track that was played, with its number of plays and its mean
-- completion; a session, with its mean feature and 1 where it began in the morning. Many pairs are
-- tried at once: `q_value` is the p value after Benjamini and Hochberg (1995,
-- doi:10.1111/j.2517-6161.1995.tb02031.x) over all tests of the listener. The key is left out: its
-- number is a name.
create or replace table gold.feature_correlations as
with

track_plays as (
    select * from gold.track_plays
),

track_features as (
    select * from silver.track_features
),

sessions as (
    select * from silver.sessions
),

listeners as (
    select * from gold.coverage
),

tracks as (
    select
        track_plays.user_id,
        cast(track_plays.plays as double) as plays,
        track_plays.mean_completion,
        track_features.danceability,
        track_features.energy,
        track_features.loudness,
        cast(track_features.mode as double) as mode,
        track_features.speechiness,
        track_features.acousticness,
        track_features.instrumentalness,
        track_features.liveness,
        track_features.valence,
        track_features.tempo,
        cast(track_features.time_signature as double) as time_signature
    from track_plays
    inner join track_features on track_plays.track_id = track_features.track_id
    where track_features.is_analysed
),

mornings as (
    select
        user_id,
        cast(daypart = 'morning' as double) as is_morning,
        mean_danceability,
        mean_energy,
        mean_loudness,
        mean_mode,
        mean_speechiness,
        mean_acousticness,
        mean_instrumentalness,
        mean_liveness,
        mean_valence,
        mean_tempo,
        mean_time_signature
    from sessions
    where plays_with_features > 0
),

tests as (
    select
        user_id,
        unnest([
            named_struct(
                'outcome', 'plays', 'feature', 'danceability',
                'test', pearson_test(danceability, plays)
            ),
            named_struct(
                'outcome', 'plays', 'feature', 'energy',
                'test', pearson_test(energy, plays)
            ),
            named_struct(
                'outcome', 'plays', 'feature', 'loudness',
                'test', pearson_test(loudness, plays)
            ),
            named_struct(
                'outcome', 'plays', 'feature', 'mode',
                'test', pearson_test(mode, plays)
            ),
            named_struct(
                'outcome', 'plays', 'feature', 'speechiness',
                'test', pearson_test(speechiness, plays)
            ),
            named_struct(
                'outcome', 'plays', 'feature', 'acousticness',
                'test', pearson_test(acousticness, plays)
            ),
            named_struct(
                'outcome', 'plays', 'feature', 'instrumentalness',
                'test', pearson_test(instrumentalness, plays)
            ),
            named_struct(
                'outcome', 'plays', 'feature', 'liveness',
                'test', pearson_test(liveness, plays)
            ),
            named_struct(
                'outcome', 'plays', 'feature', 'valence',
                'test', pearson_test(valence, plays)
            ),
            named_struct(
                'outcome', 'plays', 'feature', 'tempo',
                'test', pearson_test(tempo, plays)
            ),
            named_struct(
                'outcome', 'plays', 'feature', 'time_signature',
                'test', pearson_test(time_signature, plays)
            ),
            named_struct(
                'outcome', 'completion', 'feature', 'danceability',
                'test', pearson_test(danceability, mean_completion)
            ),
            named_struct(
                'outcome', 'completion', 'feature', 'energy',
                'test', pearson_test(energy, mean_completion)
            ),
            named_struct(
                'outcome', 'completion', 'feature', 'loudness',
                'test', pearson_test(loudness, mean_completion)
            ),
            named_struct(
                'outcome', 'completion', 'feature', 'mode',
                'test', pearson_test(mode, mean_completion)
            ),
            named_struct(
                'outcome', 'completion', 'feature', 'speechiness',
                'test', pearson_test(speechiness, mean_completion)
            ),
            named_struct(
                'outcome', 'completion', 'feature', 'acousticness',
                'test', pearson_test(acousticness, mean_completion)
            ),
            named_struct(
                'outcome', 'completion', 'feature', 'instrumentalness',
                'test', pearson_test(instrumentalness, mean_completion)
            ),
            named_struct(
                'outcome', 'completion', 'feature', 'liveness',
                'test', pearson_test(liveness, mean_completion)
            ),
            named_struct(
                'outcome', 'completion', 'feature', 'valence',
                'test', pearson_test(valence, mean_completion)
            ),
            named_struct(
                'outcome', 'completion', 'feature', 'tempo',
                'test', pearson_test(tempo, mean_completion)
            ),
            named_struct(
                'outcome', 'completion', 'feature', 'time_signature',
                'test', pearson_test(time_signature, mean_completion)
            )
        ]) as tested
    from tracks
    group by user_id
    union all
    select
        user_id,
        unnest([
            named_struct(
                'outcome', 'morning', 'feature', 'danceability',
                'test', pearson_test(mean_danceability, is_morning)
            ),
            named_struct(
                'outcome', 'morning', 'feature', 'energy',
                'test', pearson_test(mean_energy, is_morning)
            ),
            named_struct(
                'outcome', 'morning', 'feature', 'loudness',
                'test', pearson_test(mean_loudness, is_morning)
            ),
            named_struct(
                'outcome', 'morning', 'feature', 'mode',
                'test', pearson_test(mean_mode, is_morning)
            ),
            named_struct(
                'outcome', 'morning', 'feature', 'speechiness',
                'test', pearson_test(mean_speechiness, is_morning)
            ),
            named_struct(
                'outcome', 'morning', 'feature', 'acousticness',
                'test', pearson_test(mean_acousticness, is_morning)
            ),
            named_struct(
                'outcome', 'morning', 'feature', 'instrumentalness',
                'test', pearson_test(mean_instrumentalness, is_morning)
            ),
            named_struct(
                'outcome', 'morning', 'feature', 'liveness',
                'test', pearson_test(mean_liveness, is_morning)
            ),
            named_struct(
                'outcome', 'morning', 'feature', 'valence',
                'test', pearson_test(mean_valence, is_morning)
            ),
            named_struct(
                'outcome', 'morning', 'feature', 'tempo',
                'test', pearson_test(mean_tempo, is_morning)
            ),
            named_struct(
                'outcome', 'morning', 'feature', 'time_signature',
                'test', pearson_test(mean_time_signature, is_morning)
            )
        ]) as tested
    from mornings
    group by user_id
),

results as (
    select
        user_id,
        tested['outcome'] as outcome,
        tested['feature'] as feature,
        tested['test']['r'] as r,
        tested['test']['n'] as n,
        tested['test']['p_value'] as p_value,
        tested['test']['ci_low'] as ci_low,
        tested['test']['ci_high'] as ci_high
    from tests
),

-- What is constant or has fewer than three pairs was not tested.
ranked as (
    select
        user_id,
        feature,
        outcome,
        r,
        n,
        p_value,
        ci_low,
        ci_high,
        count(*) over (partition by user_id) as tests_made,
        row_number() over (
            partition by user_id
            order by p_value asc, outcome asc, feature asc
        ) as place
    from results
    where p_value is not null
),

corrected as (
    select
        user_id,
        feature,
        outcome,
        r,
        n,
        p_value,
        ci_low,
        ci_high,
        least(
            1.0,
            min(p_value * (cast(tests_made as double) / place)) over (
                partition by user_id
                order by place desc
                rows between unbounded preceding and current row
            )
        ) as q_value
    from ranked
)

select
    corrected.user_id,
    corrected.feature,
    corrected.outcome,
    corrected.r,
    corrected.n,
    corrected.p_value,
    corrected.ci_low,
    corrected.ci_high,
    corrected.q_value,
    listeners.share as coverage
from corrected
inner join listeners on corrected.user_id = listeners.user_id;
