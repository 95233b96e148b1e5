-- Differences that do not follow from their means or lie outside their interval.
select
    user_id,
    feature,
    listener_mean,
    catalogue_mean,
    difference,
    ci_low,
    ci_high
from gold.taste_vs_catalogue
where
    abs(listener_mean - catalogue_mean - difference) > 1e-9
    or difference < ci_low - 1e-9
    or difference > ci_high + 1e-9;

-- Rows that are there twice.
select
    user_id,
    feature,
    count(*) as copies
from gold.taste_vs_catalogue
group by user_id, feature
having count(*) > 1;
