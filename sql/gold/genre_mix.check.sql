-- Listeners whose shares do not add up to 1.
select
    user_id,
    sum(share) as shares,
    max(coverage) as coverage
from gold.genre_mix
group by user_id
having abs(sum(share) - 1) > 1e-9 or max(coverage) > 1 + 1e-9;
