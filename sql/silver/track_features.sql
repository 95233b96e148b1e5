-- The audio features of the tracks that a catalogue describes.
-- grain: one row per track_id
create or replace table silver.track_features as
with

catalogue as (
    select * from bronze.catalogue_tracks
),

sources as (
    select
        _source,
        row_number() over (order by max(_ingested_at) desc, _source asc) as precedence
    from catalogue
    group by _source
),

-- Where Spotify's analysis failed it left tempo and time signature at 0, and danceability and
-- valence with them. A row of no duration has nothing that could have been analysed.
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
        coalesce(
            duration_ms > 0
            and tempo > 0
            and time_signature > 0
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

-- An analysed row before one that is not, then the catalogue loaded last, then the file's order.
-- One order of all rows; a window for each track would cost more than the rest of the script.
ordered as (
    select
        judged.track_id,
        judged.danceability,
        judged.energy,
        judged.key,
        judged.loudness,
        judged.mode,
        judged.speechiness,
        judged.acousticness,
        judged.instrumentalness,
        judged.liveness,
        judged.valence,
        judged.tempo,
        judged.time_signature,
        judged.is_analysed,
        judged._source,
        row_number() over (
            order by
                judged.is_analysed desc,
                sources.precedence asc,
                judged.row_index asc,
                judged.row_id asc
        ) as place
    from judged
    inner join sources on judged._source = sources._source
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
