-- Features whose modes do not share out all sessions.
select
    feature,
    sum(share) as shares
from gold.mode_profiles
group by feature
having abs(sum(share) - 1) > 1e-9;

-- Names that stand for two modes.
select
    name,
    count(distinct mode) as modes
from gold.mode_profiles
where name <> 'like most sessions'
group by name
having count(distinct mode) > 1;
