-- Ranks that skip, repeat or run against the plays.
select
    user_id,
    rank,
    plays
from (
    select
        user_id,
        rank,
        plays,
        row_number() over (partition by user_id order by plays desc, rank asc) as place
    from gold.top_artists
) as ranked
where rank <> place;
