-- Every row of the catalogues of tracks with audio features that were imported, as it came.
-- grain: one row per row_id, the hash of the row; a track repeats once for each of its genres
-- source: a CSV file of Spotify tracks such as Kaggle's, or `tracks_csv('PATH')`
-- sqlfluff:dialect:postgres
create table if not exists bronze.catalogue_tracks (
    row_index bigint,
    track_id varchar,
    artists varchar,
    album_name varchar,
    track_name varchar,
    popularity bigint,
    duration_ms bigint,
    explicit boolean,
    danceability double,
    energy double,
    "key" bigint, -- noqa: RF06, a bare word would begin a constraint
    loudness double,
    mode bigint,
    speechiness double,
    acousticness double,
    instrumentalness double,
    liveness double,
    valence double,
    tempo double,
    time_signature bigint,
    track_genre varchar,
    row_id varchar,
    _source varchar,
    _source_file varchar,
    _ingested_at timestamp with time zone
);
