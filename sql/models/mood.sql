-- The mood a track is tagged with, told from its audio features.
-- grain: one model; tracks that carry exactly one of the seven mood genres, one row each
-- retrain: 20%
create or replace model mood options (
    type = 'logistic',
    label = 'mood',
    split = 'artist',
    seed = 42,
    allow_untrained = true
) as
with

track_features as (
    select * from silver.track_features
),

track_genres as (
    select * from silver.track_genres
),

tracks as (
    select * from silver.tracks
),

-- People filed these tracks under a mood; no audio feature defines these genres. A track under
-- two moods says neither.
moods as (
    select
        track_id,
        min(genre) as mood
    from track_genres
    where genre in ('happy', 'sad', 'chill', 'party', 'sleep', 'study', 'romance')
    group by track_id
    having count(*) = 1
)

select
    track_features.danceability,
    track_features.energy,
    track_features.key,
    track_features.loudness,
    track_features.mode,
    track_features.speechiness,
    track_features.acousticness,
    track_features.instrumentalness,
    track_features.liveness,
    track_features.valence,
    track_features.tempo,
    track_features.time_signature,
    -- Not a feature: no first named artist is both in the training rows and in the held-out rows.
    coalesce(tracks.artist, moods.track_id) as artist,
    moods.mood
from moods
inner join track_features on moods.track_id = track_features.track_id
inner join tracks on moods.track_id = tracks.track_id
where track_features.is_analysed and track_features.time_signature is not null;
