-- The audio features of the tracks that a catalogue describes.
-- grain: one row per track_id
create or replace table silver.track_features as
with

catalogue as (
    select * from bronze.catalogue_tracks
),

-- Where Spotify's analysis failed it left tempo and time signature at 0, and danceability and
-- valence with them. A row of no duration has nothing that could have been analysed. Not every
-- catalogue has time signatures.
judged as (
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
        time_signature,
        row_index,
        row_id,
        _source,
        _ingested_at,
        coalesce(
            duration_ms > 0
            and tempo > 0
            and coalesce(time_signature > 0, true)
            and danceability is not null
            and energy is not null
            and key is not null
            and loudness is not null
            and mode is not null
            and speechiness is not null
            and acousticness is not null
            and instrumentalness is not null
            and liveness is not null
            and valence is not null,
            false
        ) as is_analysed
    from catalogue
),

-- An analysed row before one that is not, then what was loaded last, then the file's order.
-- One order of all rows; a window for each track would cost more than the rest of the script.
ordered as (
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
        time_signature,
        is_analysed,
        _source,
        row_number() over (
            order by
                is_analysed desc,
                _ingested_at desc,
                _source asc,
                row_index asc,
                row_id asc
        ) as place
    from judged
),

chosen as (
    select
        track_id,
        min(place) as place
    from ordered
    group by track_id
)

select
    ordered.track_id,
    ordered.danceability,
    ordered.energy,
    ordered.key,
    ordered.loudness,
    ordered.mode,
    ordered.speechiness,
    ordered.acousticness,
    ordered.instrumentalness,
    ordered.liveness,
    ordered.valence,
    ordered.tempo,
    ordered.time_signature,
    ordered.is_analysed,
    ordered._source as source
from ordered
inner join chosen on ordered.place = chosen.place;
