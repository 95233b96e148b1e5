-- Answers that are none of the known ones, or that name no listener or track.
select
    user_id,
    track_id,
    mode,
    response,
    responded_at
from silver.responses
where
    user_id is null
    or track_id is null
    or response is null
    or response not in ('skip', 'play', 'like', 'stay', 'less');
