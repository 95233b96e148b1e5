-- Shares outside their interval, or intervals outside 0 to 1.
select
    user_id,
    feature,
    bucket,
    completion,
    ci_low,
    ci_high,
    n
from gold.completion_by_feature
where
    n < 1
    or completion < ci_low - 1e-9
    or completion > ci_high + 1e-9
    or ci_low < -1e-9
    or ci_high > 1 + 1e-9;

-- Rows that are there twice.
select
    user_id,
    feature,
    bucket,
    count(*) as copies
from gold.completion_by_feature
group by user_id, feature, bucket
having count(*) > 1;
