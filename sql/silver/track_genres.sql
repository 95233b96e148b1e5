-- The genres that the catalogues give a track.
-- grain: one row per track_id and genre
create or replace table silver.track_genres as
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

-- All catalogues count: what one calls 'indie' and another 'folk' is both.
genres as (
    select
        catalogue.track_id,
        catalogue.track_genre as genre,
        min(sources.precedence) as precedence,
        min(catalogue.row_index) as row_index
    from catalogue
    inner join sources on catalogue._source = sources._source
    where catalogue.track_genre is not null
    group by catalogue.track_id, catalogue.track_genre
),

ordered as (
    select
        track_id,
        genre,
        row_number() over (
            order by precedence asc, row_index asc, genre asc, track_id asc
        ) as place
    from genres
),

counted as (
    select
        track_id,
        min(place) as first_place,
        count(*) as genres
    from ordered
    group by track_id
)

select
    ordered.track_id,
    ordered.genre,
    -- The genre that the track is filed under first; it stands for the track where one may.
    ordered.place = counted.first_place as is_first,
    -- What the genre weighs when a track is split evenly among its genres.
    1.0 / counted.genres as weight
from ordered
inner join counted on ordered.track_id = counted.track_id;
