-- Figures that contradict each other: a corrected p value below the plain one, or r elsewhere than
-- in its interval.
select
    user_id,
    feature,
    outcome,
    r,
    ci_low,
    ci_high,
    p_value,
    q_value
from gold.feature_correlations
where
    r not between -1 - 1e-9 and 1 + 1e-9
    or r < ci_low - 1e-9
    or r > ci_high + 1e-9
    or p_value not between 0 and 1
    or q_value not between p_value and 1
    or outcome not in ('plays', 'completion', 'morning');

-- Rows that are there twice.
select
    user_id,
    feature,
    outcome,
    count(*) as copies
from gold.feature_correlations
group by user_id, feature, outcome
having count(*) > 1;
