-- Plays that are there twice.
select
    play_id,
    count(*) as copies
from silver.plays
group by play_id
having count(*) > 1;

-- Music that got lost between the imported history and here.
with

imported as (
    select count(distinct play_id) as plays
    from bronze.plays_extended
    where spotify_track_uri is not null
),

kept as (
    select count(*) as plays
    from silver.plays
)

select
    imported.plays as plays_imported,
    kept.plays as plays_kept
from imported
cross join kept
where imported.plays <> kept.plays;

-- Measures outside their range.
select
    play_id,
    ms_played,
    completion,
    hour,
    weekday,
    daypart
from silver.plays
where
    ms_played < 0
    or completion not between 0 and 1
    or hour not between 0 and 23
    or weekday not between 1 and 7
    or daypart not in ('night', 'morning', 'afternoon', 'evening')
    or (is_completed is distinct from (completion >= 0.9))
    or (is_completed and is_skipped);
