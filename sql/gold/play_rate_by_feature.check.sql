-- Ratios outside their interval.
select
    user_id,
    feature,
    rate_ratio,
    ci_low,
    ci_high,
    p_value
from gold.play_rate_by_feature
where
    rate_ratio < 0
    or rate_ratio not between ci_low and ci_high
    or p_value not between 0 and 1;

-- Rows that are there twice.
select
    user_id,
    feature,
    count(*) as copies
from gold.play_rate_by_feature
group by user_id, feature
having count(*) > 1;
