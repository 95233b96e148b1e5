-- Shares that do not add up within a part of the day, or differences outside their interval.
select
    user_id,
    daypart,
    sum(share) as shares
from gold.mode_by_daypart
group by user_id, daypart
having
    abs(sum(share) - 1) > 1e-9
    or bool_or(difference < ci_low - 1e-9)
    or bool_or(difference > ci_high + 1e-9);
