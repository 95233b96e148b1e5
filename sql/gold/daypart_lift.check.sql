-- Ratios outside their interval, or with one where there can be none.
select
    user_id,
    feature,
    odds_ratio,
    ci_low,
    ci_high,
    p_value
from gold.daypart_lift
where
    odds_ratio not between ci_low and ci_high
    or odds_ratio <= 0
    or (odds_ratio is null and ci_low is not null)
    or (ci_low is null) <> (ci_high is null)
    or (odds_ratio is not null and ci_low is null and sessions > 1)
    or p_value not between 0 and 1;

-- Rows that are there twice.
select
    user_id,
    feature,
    count(*) as copies
from gold.daypart_lift
group by user_id, feature
having count(*) > 1;
