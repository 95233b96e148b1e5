-- How likely a listener is to play the tracks of the last thirty days again.
-- grain: one row per user_id and track_id, if there was a history to learn from
create or replace table gold.replay_predictions as
with

play_history as (
    select * from silver.play_history
),

tracks as (
    select * from silver.tracks
),

live_models as (
    select * from gold.live_models
),

-- The last play of each track whose thirty days are not over.
open_plays as (
    select
        user_id,
        track_id,
        played_at,
        ml_predict_proba(
            'replay',
            ln(1 + track_plays),
            ln(1 + artist_plays),
            ln(1 + listener_plays),
            coalesce(track_completion, 0.5),
            ln(1 + coalesce(days_since_track, 365)),
            ln(1 + coalesce(days_since_second, 365)),
            ln(1 + coalesce(days_since_artist, 365))
        ) as probability
    from play_history
    where is_last_of_track and is_replayed is null
)

select
    open_plays.user_id,
    open_plays.track_id,
    tracks.track_name,
    tracks.artist,
    open_plays.played_at,
    -- Of another play within thirty days of this one.
    open_plays.probability,
    live_models.version as model_version
from open_plays
inner join tracks on open_plays.track_id = tracks.track_id
cross join live_models
where live_models.model = 'replay' and open_plays.probability is not null;
