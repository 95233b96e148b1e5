-- Sessions that are there twice or lie nowhere.
select
    session_id,
    count(*) as copies
from gold.listening_modes
group by session_id
having count(*) > 1 or count(mode) < count(*) or min(distance) < 0;
