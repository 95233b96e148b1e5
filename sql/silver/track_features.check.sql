-- Tracks that are there twice.
select
    track_id,
    count(*) as copies
from silver.track_features
group by track_id
having count(*) > 1 or track_id is null;

-- Analysed tracks with a feature outside its range.
select
    track_id,
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
from silver.track_features
where
    is_analysed
    and (
        danceability not between 0 and 1
        or energy not between 0 and 1
        or key not between -1 and 11
        or loudness not between -100 and 10
        or mode not in (0, 1)
        or speechiness not between 0 and 1
        or acousticness not between 0 and 1
        or instrumentalness not between 0 and 1
        or liveness not between 0 and 1
        or valence not between 0 and 1
        or tempo not between 0 and 400
        or time_signature not between 1 and 7
    );
