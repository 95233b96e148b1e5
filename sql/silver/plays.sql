-- Every play of a music track, in the listener's own time, with the features of the track.
-- grain: one row per play_id
create or replace table silver.plays as
with

history as (
    select * from bronze.plays_extended
),

users as (
    select * from silver.users
),

tracks as (
    select * from silver.tracks
),

track_features as (
    select * from silver.track_features
),

-- Podcasts and audiobooks have no track. `ts` is the end of the play. Files on the listener's own
-- disk keep their whole address as the id.
music as (
    select
        user_id,
        play_id,
        ts as played_at,
        ts - arrow_cast(coalesce(ms_played, 0), 'Duration(Millisecond)') as started_at,
        coalesce(ms_played, 0) as ms_played,
        reason_start,
        reason_end,
        case
            when starts_with(spotify_track_uri, 'spotify:track:') then substr(spotify_track_uri, 15)
            else spotify_track_uri
        end as track_id,
        case
            when reason_end = 'trackdone' then false
            when
                reason_end in (
                    'fwdbtn', 'nextbtn', 'backbtn', 'clickrow', 'clickside', 'playbtn', 'remote',
                    'endplay', 'popup', 'uriopen'
                )
                then true
            -- Errors, crashes and switches of device are nobody's choice.
            when reason_end not in ('', 'unknown') then false
            -- Without a reason the flag speaks, but not before 2022-10-16: it was unreliable.
            when ts >= '2022-10-16T00:00:00Z' then skipped
        end as is_ended_by_listener
    from history
    where spotify_track_uri is not null
),

-- One pass over each listener's plays in order finds the pauses and, side by side as equal rows
-- come to lie, the play that a bronze table written by hand has twice.
ordered as (
    select
        play_id,
        user_id,
        track_id,
        played_at,
        started_at,
        ms_played,
        reason_start,
        reason_end,
        is_ended_by_listener,
        lag(play_id) over listening as previous_play_id,
        lag(played_at) over listening as previous_played_at
    from music
    window listening as (partition by user_id order by played_at asc, play_id asc)
),

-- A session ends after 30 minutes without a play: between the end of one and the start of the next.
marked as (
    select
        play_id,
        user_id,
        track_id,
        played_at,
        ms_played,
        reason_start,
        reason_end,
        is_ended_by_listener,
        previous_play_id,
        max(
            case
                when
                    previous_played_at is null
                    or started_at - previous_played_at > interval '30 minutes'
                    then started_at
            end
        ) over (
            partition by user_id
            order by played_at asc, play_id asc
            rows between unbounded preceding and current row
        ) as session_started_at
    from ordered
),

localised as (
    select
        marked.play_id,
        marked.user_id,
        marked.track_id,
        marked.played_at,
        marked.ms_played,
        marked.reason_start,
        marked.reason_end,
        marked.is_ended_by_listener,
        marked.session_started_at,
        local_time(marked.played_at, users.timezone) as local_at
    from marked
    inner join users on marked.user_id = users.user_id
    where marked.previous_play_id is distinct from marked.play_id
),

-- What was not analysed has figures that mean nothing.
described as (
    select
        tracks.track_id,
        tracks.duration_ms,
        track_features.track_id is not null as has_features,
        track_features.danceability,
        track_features.energy,
        track_features.key,
        track_features.loudness,
        track_features.mode,
        track_features.speechiness,
        track_features.acousticness,
        track_features.instrumentalness,
        track_features.liveness,
        track_features.valence,
        track_features.tempo,
        track_features.time_signature
    from tracks
    left join track_features
        on
            tracks.track_id = track_features.track_id
            and track_features.is_analysed
),

-- Not `least` alone: it takes null for nothing and would call an unknown length a whole play.
measured as (
    select
        localised.play_id,
        localised.user_id,
        localised.track_id,
        localised.played_at,
        localised.local_at,
        localised.ms_played,
        localised.reason_start,
        localised.reason_end,
        localised.is_ended_by_listener,
        localised.session_started_at,
        cast(date_part('hour', localised.local_at) as bigint) as local_hour,
        case
            when described.duration_ms is not null
                then least(cast(localised.ms_played as double) / described.duration_ms, 1.0)
        end as completion,
        described.duration_ms,
        coalesce(described.has_features, false) as has_features,
        described.danceability,
        described.energy,
        described.key,
        described.loudness,
        described.mode,
        described.speechiness,
        described.acousticness,
        described.instrumentalness,
        described.liveness,
        described.valence,
        described.tempo,
        described.time_signature
    from localised
    left join described on localised.track_id = described.track_id
)

select
    play_id,
    user_id,
    track_id,
    played_at,
    local_at,
    cast(local_at as date) as local_date,
    local_hour as hour,
    cast(date_part('isodow', local_at) as bigint) as weekday,
    case
        when local_hour between 6 and 11 then 'morning'
        when local_hour between 12 and 16 then 'afternoon'
        when local_hour between 17 and 21 then 'evening'
        else 'night'
    end as daypart,
    ms_played,
    duration_ms,
    completion,
    completion >= 0.9 as is_completed,
    -- Known without the length where the listener did not end it.
    is_ended_by_listener and completion < 0.5 as is_skipped,
    reason_start,
    reason_end,
    'extended' as source,
    concat(
        user_id, '@', cast(date_trunc('second', session_started_at) as string)
    ) as session_id,
    session_started_at,
    has_features,
    danceability,
    energy,
    key,
    loudness,
    mode,
    speechiness,
    acousticness,
    instrumentalness,
    liveness,
    valence,
    tempo,
    time_signature
from measured;
