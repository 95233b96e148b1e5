-- Every track that a catalogue describes or a listener played.
-- grain: one row per track_id
create or replace table silver.tracks as
with

catalogue as (
    select * from bronze.catalogue_tracks
),

plays as (
    select * from bronze.plays_extended
),

-- Of several rows the one loaded last wins, as a whole; then the name of the catalogue and the
-- file's order settle it. One order of all rows; a window for each track would cost more than the
-- rest of the script.
ordered as (
    select
        track_id,
        track_name,
        artists,
        album_name,
        popularity,
        duration_ms,
        explicit,
        row_number() over (
            order by
                _ingested_at desc,
                _source asc,
                row_index asc,
                row_id asc
        ) as place
    from catalogue
),

-- A track repeats once for each genre; its copies differ in nothing but popularity, a snapshot
-- that rises and falls, of which the highest is kept.
chosen as (
    select
        track_id,
        min(place) as place,
        max(popularity) as popularity
    from ordered
    group by track_id
),

described as (
    select
        ordered.track_id,
        ordered.track_name,
        ordered.artists,
        ordered.album_name,
        chosen.popularity,
        ordered.explicit,
        nullif(ordered.duration_ms, 0) as duration_ms
    from ordered
    inner join chosen on ordered.place = chosen.place
),

-- An export names what it plays, so that a track outside every catalogue still has a title.
played as (
    select
        ts,
        play_id,
        master_metadata_track_name as track_name,
        master_metadata_album_artist_name as artist,
        master_metadata_album_album_name as album_name,
        case
            when starts_with(spotify_track_uri, 'spotify:track:') then substr(spotify_track_uri, 15)
            else spotify_track_uri
        end as track_id
    from plays
    where spotify_track_uri is not null
),

undescribed as (
    select
        played.track_id,
        first_value(played.track_name order by played.ts desc, played.play_id desc) as track_name,
        first_value(played.artist order by played.ts desc, played.play_id desc) as artist,
        first_value(played.album_name order by played.ts desc, played.play_id desc) as album_name
    from played
    left anti join catalogue on played.track_id = catalogue.track_id
    group by played.track_id
)

select
    track_id,
    track_name,
    -- The first named artist; the others stay in `artists`.
    trim(split_part(artists, ';', 1)) as artist,
    artists,
    album_name,
    popularity,
    duration_ms,
    explicit as is_explicit
from described
union all
select
    track_id,
    track_name,
    artist,
    artist as artists,
    album_name,
    cast(null as bigint) as popularity,
    cast(null as bigint) as duration_ms,
    cast(null as boolean) as is_explicit
from undescribed;
