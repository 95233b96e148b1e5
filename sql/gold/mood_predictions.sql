-- The mood that the model hears in each track of the catalogue.
-- grain: one row per track_id with known features
create or replace table gold.mood_predictions as
with

track_features as (
    select * from silver.track_features
),

metrics as (
    select * from ml.metrics
)

select
    track_id,
    ml_predict(
        'mood',
        danceability,
        energy,
        key,
        loudness,
        mode,
        speechiness,
        acousticness,
        instrumentalness,
        liveness,
        valence,
        tempo,
        time_signature
    ) as mood,
    -- Of that mood, among the seven that the model knows.
    ml_predict_proba(
        'mood',
        danceability,
        energy,
        key,
        loudness,
        mode,
        speechiness,
        acousticness,
        instrumentalness,
        liveness,
        valence,
        tempo,
        time_signature
    ) as probability,
    (
        select max(metrics.version) from metrics
        where metrics.model = 'mood'
    ) as model_version
from track_features
where is_analysed;
