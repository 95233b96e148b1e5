-- Shares that do not follow from their counts.
select
    user_id,
    plays,
    plays_with_features,
    share
from gold.coverage
where
    share not between 0 and 1
    or plays_with_features > plays
    or abs(share - cast(plays_with_features as double) / plays) > 1e-9;

-- Rows that are there twice.
select
    user_id,
    count(*) as copies
from gold.coverage
group by user_id
having count(*) > 1;

-- Plays that got lost or were counted twice.
select coalesce(sum(plays), 0) as plays
from gold.coverage
having coalesce(sum(plays), 0) <> (select count(*) from silver.plays);
