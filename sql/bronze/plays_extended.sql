-- Every row of the extended streaming histories that were imported, less the personal fields.
-- grain: one row per play_id, the hash of the listener and all export columns
-- source: Spotify's extended streaming history, or `spotify_history('PATH', user_name)`
-- sqlfluff:dialect:postgres
create table if not exists bronze.plays_extended (
    user_id varchar,
    ts timestamp with time zone,
    platform varchar,
    ms_played bigint,
    conn_country varchar,
    master_metadata_track_name varchar,
    master_metadata_album_artist_name varchar,
    master_metadata_album_album_name varchar,
    spotify_track_uri varchar,
    episode_name varchar,
    episode_show_name varchar,
    spotify_episode_uri varchar,
    audiobook_title varchar,
    audiobook_uri varchar,
    audiobook_chapter_uri varchar,
    audiobook_chapter_title varchar,
    reason_start varchar,
    reason_end varchar,
    shuffle boolean,
    skipped boolean,
    offline boolean,
    offline_timestamp bigint,
    incognito_mode boolean,
    play_id varchar,
    _source_file varchar,
    _ingested_at timestamp with time zone
);
