-- The genres that the catalogues give a track.
-- grain: one row per track_id and genre
create or replace table silver.track_genres as
with

catalogue as (
    select * from bronze.catalogue_tracks
),

-- Catalogues come in the order in which a track takes its description from them: what was loaded
-- last, then the name of the catalogue, then the file's order.
ordered as (
    select
        track_id,
        track_genre as genre,
        row_number() over (
            order by
                _ingested_at desc,
                _source asc,
                row_index asc,
                track_genre asc,
                track_id asc
        ) as place
    from catalogue
    where track_genre is not null
),

-- All catalogues count: what one calls 'indie' and another 'folk' is both.
genres as (
    select
        track_id,
        genre,
        min(place) as place
    from ordered
    group by track_id, genre
),

counted as (
    select
        track_id,
        min(place) as first_place,
        count(*) as genres
    from genres
    group by track_id
)

select
    genres.track_id,
    genres.genre,
    -- The genre that the track is filed under first; it stands for the track where one may.
    genres.place = counted.first_place as is_first,
    -- What the genre weighs when a track is split evenly among its genres.
    1.0 / counted.genres as weight
from genres
inner join counted on genres.track_id = counted.track_id;
