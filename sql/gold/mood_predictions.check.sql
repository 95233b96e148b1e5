-- Tracks without a mood, or with a probability that the likeliest of seven cannot have.
select
    track_id,
    mood,
    probability,
    model_version
from gold.mood_predictions
where
    mood is null
    or probability is null
    or probability not between 0 and 1 + 1e-9
    or model_version is null;

-- Tracks that have features and no prediction, or the reverse.
select count(*) as predictions
from gold.mood_predictions
having
    count(*) <> (
        select count(*) from silver.track_features
        where track_features.is_analysed
    );
