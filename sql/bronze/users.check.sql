-- Rows that name no listener or no time zone.
select
    user_id,
    timezone
from bronze.users
where user_id is null or timezone is null;
