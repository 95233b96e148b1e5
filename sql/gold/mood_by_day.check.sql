-- Means of nothing, or nothing where something is known.
select
    user_id,
    local_date,
    mean_valence,
    coverage
from gold.mood_by_day
where
    (mean_valence is null) <> (coverage = 0)
    or mean_valence not between 0 and 1
    or mean_energy not between 0 and 1;

-- Rows that are there twice.
select
    user_id,
    local_date,
    count(*) as copies
from gold.mood_by_day
group by user_id, local_date
having count(*) > 1;
