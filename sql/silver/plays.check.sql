-- Plays that are there twice.
select
    play_id,
    count(*) as copies
from silver.plays
group by play_id
having count(*) > 1;

-- Music that got lost between the imported history and here.
select
    (
        select count(distinct plays_extended.play_id) from bronze.plays_extended
        where plays_extended.spotify_track_uri is not null
    ) as plays_imported,
    count(plays.play_id) as plays_kept
from silver.plays
having
    count(plays.play_id) <> (
        select count(distinct plays_extended.play_id) from bronze.plays_extended
        where plays_extended.spotify_track_uri is not null
    );

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
    or is_completed is distinct from (completion >= 0.9)
    or (is_completed and is_skipped);
