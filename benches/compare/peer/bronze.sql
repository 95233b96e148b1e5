-- The files as they are, less the personal fields.
create table bronze_catalogue_tracks as
select
    * exclude (row_index),
    filename as _source_file,
    now() as _ingested_at
from
    read_csv(
        '${catalog}', header = true, filename = true, quote = '"', escape = '"',
        names = ['row_index', 'track_id', 'artists', 'album_name', 'track_name', 'popularity', 'duration_ms',
            'explicit', 'danceability', 'energy', 'key', 'loudness', 'mode', 'speechiness', 'acousticness',
            'instrumentalness', 'liveness', 'valence', 'tempo', 'time_signature', 'track_genre']
    );

create table bronze_plays_extended as
select distinct
    parse_path(filename)[-2] as user_id,
    * exclude (filename),
    filename as _source_file,
    now() as _ingested_at
from
    read_json(
        '${history}/**/*.json', format = 'array', filename = true,
        columns = {
            ts: 'timestamptz', platform: 'varchar', ms_played: 'bigint', conn_country: 'varchar',
            master_metadata_track_name: 'varchar', master_metadata_album_artist_name: 'varchar',
            master_metadata_album_album_name: 'varchar', spotify_track_uri: 'varchar', episode_name: 'varchar',
            episode_show_name: 'varchar', spotify_episode_uri: 'varchar', audiobook_title: 'varchar',
            audiobook_uri: 'varchar', audiobook_chapter_uri: 'varchar', audiobook_chapter_title: 'varchar',
            reason_start: 'varchar', reason_end: 'varchar', shuffle: 'boolean', skipped: 'boolean',
            offline: 'boolean', offline_timestamp: 'bigint', incognito_mode: 'boolean'
        }
    );
