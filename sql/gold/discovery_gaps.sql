-- Genres that the catalogue offers and how much of a listener's plays they get.
-- grain: one row per user_id and genre of the catalogue, those never played included
create or replace table gold.discovery_gaps as
with

track_genres as (
    select * from silver.track_genres
),

genre_mix as (
    select * from gold.genre_mix
),

coverage as (
    select * from gold.coverage
),

-- Shares of tracks, each split evenly among its genres, as plays are in gold.genre_mix.
catalogue as (
    select
        genre,
        sum(weight) as weight
    from track_genres
    group by genre
),

catalogue_shares as (
    select
        genre,
        weight / sum(weight) over () as catalogue_share
    from catalogue
)

select
    coverage.user_id,
    catalogue_shares.genre,
    catalogue_shares.catalogue_share,
    coalesce(genre_mix.share, 0.0) as listening_share,
    catalogue_shares.catalogue_share - coalesce(genre_mix.share, 0.0) as gap
from coverage
cross join catalogue_shares
left join genre_mix
    on
        coverage.user_id = genre_mix.user_id
        and catalogue_shares.genre = genre_mix.genre
-- A listener of whom no genre is known has no gaps that anyone could name.
where coverage.user_id in (select known.user_id from genre_mix as known);
