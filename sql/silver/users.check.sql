-- Listeners that are there twice or have no time zone.
select
    user_id,
    count(*) as copies
from silver.users
group by user_id
having count(*) > 1 or user_id is null or count(timezone) = 0;
