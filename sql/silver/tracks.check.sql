-- Tracks that are there twice.
select
    track_id,
    count(*) as copies
from silver.tracks
group by track_id
having count(*) > 1 or track_id is null;

-- Measures outside their range.
select
    track_id,
    popularity,
    duration_ms
from silver.tracks
where popularity not between 0 and 100 or duration_ms <= 0;

-- severity: warn
-- Tracks without a title or artist: nobody can be shown them.
select
    track_id,
    track_name,
    artist
from silver.tracks
where track_name is null or artist is null;
