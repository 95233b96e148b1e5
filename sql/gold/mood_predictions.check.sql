-- Tracks that are there twice, or with a probability that the likeliest mood cannot have.
select
    track_id,
    count(*) as copies,
    min(probability) as probability
from gold.mood_predictions
group by track_id
having
    count(*) > 1
    or count(probability) < count(*)
    or min(probability) < 1.0 / max(n_moods) - 1e-9
    or max(probability) > 1 + 1e-9
    or count(model_version) < count(*);

-- Tracks that have features and no prediction, or the reverse; a model that could not be trained
-- predicts nothing, whatever it is asked.
select count(*) as predictions
from gold.mood_predictions
having
    count(*) <> (
        select count(*) from silver.track_features
        where
            track_features.is_analysed
            and track_features.time_signature is not null
            and ml_predict('mood', 0.5, 0.5, 0, -8, 1, 0.1, 0.5, 0, 0.1, 0.5, 120, 4) is not null
    );
