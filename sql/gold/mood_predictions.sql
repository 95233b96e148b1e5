-- The mood that the model hears in each track of the catalogue.
-- grain: one row per track_id with known features, if there were tracks to learn moods from
create or replace table gold.mood_predictions as
with

track_features as (
    select * from silver.track_features
),

live_models as (
    select * from gold.live_models
),

heard as (
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
        ) as probability
    from track_features
    where is_analysed and time_signature is not null
)

select
    heard.track_id,
    heard.mood,
    -- Of that mood. A model of two gives the probability of the second, whichever it hears.
    case
        when live_models.n_classes = 2 then greatest(heard.probability, 1 - heard.probability)
        else heard.probability
    end as probability,
    -- How many moods the model chooses among.
    live_models.n_classes as n_moods,
    live_models.version as model_version
from heard
cross join live_models
where live_models.model = 'mood' and heard.mood is not null;
