-- Genres that a track has twice.
select
    track_id,
    genre,
    count(*) as copies
from silver.track_genres
group by track_id, genre
having count(*) > 1;
