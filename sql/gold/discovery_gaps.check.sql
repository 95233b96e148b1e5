-- Listeners whose shares do not add up to 1.
select
    user_id,
    sum(catalogue_share) as catalogue_shares,
    sum(listening_share) as listening_shares
from gold.discovery_gaps
group by user_id
having abs(sum(catalogue_share) - 1) > 1e-9 or abs(sum(listening_share) - 1) > 1e-9;
