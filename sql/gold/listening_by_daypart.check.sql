-- Shares and means outside their range.
select
    user_id,
    daypart,
    high_energy_session_share,
    mean_valence,
    mean_energy,
    coverage
from gold.listening_by_daypart
where
    high_energy_session_share not between 0 and 1
    or mean_valence not between 0 and 1
    or mean_energy not between 0 and 1
    or coverage not between 0 and 1;

-- Sessions that no part of the day holds.
select coalesce(sum(sessions), 0) as sessions
from gold.listening_by_daypart
having coalesce(sum(sessions), 0) <> (select count(*) from silver.sessions);
