-- Tracks, their genres and features, plays in sessions.
create table silver_tracks as
select
    track_id,
    any_value(track_name) as track_name,
    any_value(split_part(artists, ';', 1)) as artist,
    any_value(artists) as artists,
    any_value(album_name) as album_name,
    max(popularity) as popularity,
    max(duration_ms) as duration_ms,
    any_value(explicit) as is_explicit
from bronze_catalogue_tracks
where track_name is not null
group by track_id;

create table silver_track_genres as
select distinct
    track_id,
    track_genre as genre
from bronze_catalogue_tracks;

create table silver_track_features as
select
    track_id,
    ${features_any},
    any_value(tempo) > 0 as is_analysed
from bronze_catalogue_tracks
group by track_id;

create table silver_plays as
with typed as (
    select
        user_id,
        split_part(spotify_track_uri, ':', 3) as track_id,
        ts as played_at,
        ts::timestamp as local_at,
        ms_played,
        reason_start,
        reason_end
    from bronze_plays_extended
    where spotify_track_uri is not null
),

gaps as (
    select
        *,
        played_at - to_milliseconds(ms_played) - lag(played_at) over user_plays > interval 30 minutes as is_apart
    from typed
    window user_plays as (partition by user_id order by played_at, track_id)
),

numbered as (
    select
        *,
        sum(coalesce(is_apart, true)::int) over (
            partition by user_id order by played_at, track_id
        ) as session_number
    from gaps
)

select
    numbered.* exclude (is_apart, session_number),
    user_id || '-' || session_number as session_id,
    local_at::date as local_date,
    hour(local_at) as hour,
    isodow(local_at) as weekday,
    case
        when hour(local_at) between 6 and 11 then 'morning'
        when hour(local_at) between 12 and 16 then 'afternoon'
        when hour(local_at) between 17 and 21 then 'evening'
        else 'night'
    end as daypart,
    tracks.duration_ms,
    least(ms_played / tracks.duration_ms, 1) as completion,
    reason_end in ('fwdbtn', 'backbtn', 'clickrow', 'endplay') and completion < 0.5 as is_skipped,
    ${features}
from numbered
left join silver_tracks as tracks using (track_id)
left join (select * from silver_track_features where is_analysed) using (track_id);

create table silver_sessions as
select
    user_id,
    session_id,
    min(played_at) as started_at,
    max(played_at) as ended_at,
    arg_min(daypart, played_at) as daypart,
    count(*) as plays,
    sum(ms_played) as ms_played,
    count(energy) as plays_with_features,
    ${session_features_mean}
from silver_plays
group by user_id, session_id;
