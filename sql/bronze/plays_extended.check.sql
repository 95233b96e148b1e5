-- Plays that share an identity: an import added a row that was there.
select
    play_id,
    count(*) as copies
from bronze.plays_extended
group by play_id
having count(*) > 1 or play_id is null;

-- Plays of nobody or of no time.
select
    play_id,
    user_id,
    ts,
    _source_file
from bronze.plays_extended
where user_id is null or user_id = '' or ts is null;
