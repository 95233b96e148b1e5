-- Which of the five kinds of sessions each session is nearest to.
-- grain: one row per session_id with known features, if there were enough to tell kinds apart
create or replace table gold.listening_modes as
with

sessions as (
    select * from silver.sessions
),

assigned as (
    select
        user_id,
        session_id,
        kmeans_assign(
            'modes',
            mean_danceability,
            mean_energy,
            mean_speechiness,
            mean_acousticness,
            mean_instrumentalness,
            mean_liveness,
            mean_valence,
            mean_tempo
        ) as mode,
        -- From the middle of that kind, in standard deviations of the features.
        kmeans_distance(
            'modes',
            mean_danceability,
            mean_energy,
            mean_speechiness,
            mean_acousticness,
            mean_instrumentalness,
            mean_liveness,
            mean_valence,
            mean_tempo
        ) as distance,
        cast(plays_with_features as double) / plays as coverage
    from sessions
    where plays_with_features > 0
)

select
    user_id,
    session_id,
    mode,
    distance,
    coverage
from assigned
where mode is not null;
