-- What the sessions of each listening mode sound like, and a plain name for it.
-- grain: one row per mode and feature
create or replace table gold.mode_profiles as
with

listening_modes as (
    select * from gold.listening_modes
),

sessions as (
    select * from silver.sessions
),

coverage as (
    select sum(cast(plays_with_features as double)) / sum(plays) as share
    from sessions
),

unpivoted as (
    select
        listening_modes.mode,
        unnest([
            named_struct('feature', 'danceability', 'value', sessions.mean_danceability),
            named_struct('feature', 'energy', 'value', sessions.mean_energy),
            named_struct('feature', 'speechiness', 'value', sessions.mean_speechiness),
            named_struct('feature', 'acousticness', 'value', sessions.mean_acousticness),
            named_struct('feature', 'instrumentalness', 'value', sessions.mean_instrumentalness),
            named_struct('feature', 'liveness', 'value', sessions.mean_liveness),
            named_struct('feature', 'valence', 'value', sessions.mean_valence),
            named_struct('feature', 'tempo', 'value', sessions.mean_tempo)
        ]) as sounding
    from listening_modes
    inner join sessions on listening_modes.session_id = sessions.session_id
),

heard as (
    select
        mode,
        sounding['feature'] as feature,
        sounding['value'] as value
    from unpivoted
),

sums as (
    select
        mode,
        feature,
        count(*) as sessions,
        sum(value) as total,
        sum(value * value) as squares
    from heard
    group by mode, feature
),

overall as (
    select
        mode,
        feature,
        sessions,
        total / sessions as mean,
        sum(sessions) over feature_wide as all_sessions,
        sum(total) over feature_wide / sum(sessions) over feature_wide as overall_mean,
        sum(squares) over feature_wide / sum(sessions) over feature_wide as overall_square
    from sums
    window feature_wide as (partition by feature)
),

profiles as (
    select
        mode,
        feature,
        sessions,
        mean,
        cast(sessions as double) / all_sessions as share,
        coalesce(
            (mean - overall_mean)
            / nullif(sqrt(greatest(overall_square - overall_mean * overall_mean, 0.0)), 0),
            0.0
        ) as z
    from overall
),

-- The word for each feature of a mode that stands out. Little talk and no audience are the rule and
-- make no name.
worded as (
    select
        mode,
        feature,
        z,
        case feature
            when 'energy' then case when z > 0 then 'energetic' else 'calm' end
            when 'valence' then case when z > 0 then 'bright' else 'wistful' end
            when 'danceability' then case when z > 0 then 'danceable' else 'free-flowing' end
            when 'acousticness' then case when z > 0 then 'acoustic' else 'electric' end
            when 'instrumentalness' then case when z > 0 then 'instrumental' else 'sung' end
            when 'speechiness' then case when z > 0 then 'wordy' end
            when 'liveness' then case when z > 0 then 'live' end
            when 'tempo' then case when z > 0 then 'fast' else 'slow' end
        end as word
    from profiles
    where abs(z) >= 0.25
),

ranked as (
    select
        mode,
        word,
        row_number() over (partition by mode order by abs(z) desc, feature asc) as place
    from worded
    where word is not null
),

named as (
    select
        mode,
        string_agg(word, ', ' order by place asc) as name
    from ranked
    where place <= 3
    group by mode
),

-- Two modes of one name are told apart by their number.
numbered as (
    select
        mode,
        name,
        count(*) over (partition by name) as namesakes
    from named
)

select
    profiles.mode,
    profiles.feature,
    profiles.mean,
    profiles.z,
    profiles.sessions,
    case
        when numbered.name is null then 'like most sessions'
        when numbered.namesakes > 1
            then concat(numbered.name, ' (', cast(profiles.mode as string), ')')
        else numbered.name
    end as name,
    profiles.share,
    -- Of all plays of all listeners: those whose features are known.
    coverage.share as coverage
from profiles
cross join coverage
left join numbered on profiles.mode = numbered.mode;
