-- What a listener played, in words.
-- grain: one row per user_id and subject
create or replace table gold.descriptive_insights as
with

track_plays as (
    select * from gold.track_plays
),

mood_by_day as (
    select * from gold.mood_by_day
),

sessions as (
    select * from silver.sessions
),

coverage as (
    select * from gold.coverage
),

listening_by_daypart as (
    select * from gold.listening_by_daypart
),

top_artists as (
    select * from gold.top_artists
),

top_tracks as (
    select * from gold.top_tracks
),

genre_mix as (
    select * from gold.genre_mix
),

taste_vs_catalogue as (
    select * from gold.taste_vs_catalogue
),

played as (
    select
        user_id,
        sum(plays) as plays,
        count(*) as tracks,
        cast(round(sum(ms_played) / 3600000.0) as bigint) as hours
    from track_plays
    group by user_id
),

days as (
    select
        user_id,
        min(local_date) as first_date,
        max(local_date) as last_date
    from mood_by_day
    group by user_id
),

histories as (
    select
        played.user_id,
        played.plays,
        played.tracks,
        played.hours,
        days.first_date,
        days.last_date
    from played
    inner join days on played.user_id = days.user_id
),

busiest_dayparts as (
    select
        user_id,
        daypart,
        plays,
        row_number() over (partition by user_id order by plays desc, daypart asc) as place
    from listening_by_daypart
),

overview as (
    select
        histories.user_id,
        'overview' as subject,
        concat(
            'From ', to_char(histories.first_date, '%-d %B %Y'), ' to ',
            to_char(histories.last_date, '%-d %B %Y'), ' you made ',
            histories.plays, case when histories.plays = 1 then ' play of ' else ' plays of ' end,
            histories.tracks, case when histories.tracks = 1 then ' track, ' else ' tracks, ' end,
            histories.hours, ' hours of music. Most plays were ',
            case busiest_dayparts.daypart
                when 'night' then 'at night'
                else concat('in the ', busiest_dayparts.daypart)
            end, ' (',
            cast(round(100.0 * busiest_dayparts.plays / histories.plays) as bigint), '%).'
        ) as text,
        cast(histories.plays as double) as value,
        histories.plays as n,
        cast(null as double) as ci_low,
        cast(null as double) as ci_high,
        'gold.listening_by_daypart' as evidence
    from histories
    inner join busiest_dayparts
        on
            histories.user_id = busiest_dayparts.user_id
            and busiest_dayparts.place = 1
),

favourites as (
    select
        top_artists.user_id,
        'favourites' as subject,
        concat(
            'You played ', top_artists.artist, ' most (', top_artists.plays, ' plays, ',
            round(100.0 * top_artists.plays / coverage.plays, 1),
            '% of all); the track you played most is ',
            coalesce(top_tracks.track_name, top_tracks.track_id),
            coalesce(' by ' || top_tracks.artist, ''), ' (', top_tracks.plays, ' plays).'
        ) as text,
        cast(top_artists.plays as double) as value,
        coverage.plays as n,
        cast(null as double) as ci_low,
        cast(null as double) as ci_high,
        'gold.top_artists' as evidence
    from top_artists
    inner join top_tracks
        on
            top_artists.user_id = top_tracks.user_id
            and top_tracks.rank = 1
    inner join coverage on top_artists.user_id = coverage.user_id
    -- An artist or a track met once or twice is nobody's favourite.
    where top_artists.rank = 1 and top_tracks.plays >= 3
),

ranked_genres as (
    select
        user_id,
        genre,
        share,
        coverage,
        row_number() over (partition by user_id order by share desc, genre asc) as place
    from genre_mix
),

genres as (
    select
        ranked_genres.user_id,
        'genres' as subject,
        concat(
            'The genres you play most: ',
            string_agg(
                concat(ranked_genres.genre, ' ', round(100 * ranked_genres.share, 1), '%'),
                ', ' order by ranked_genres.place asc
            ),
            ' (of the ', cast(round(100 * max(ranked_genres.coverage)) as bigint),
            '% of your plays whose genre is known).'
        ) as text,
        max(ranked_genres.share) as value,
        max(coverage.plays) as n,
        cast(null as double) as ci_low,
        cast(null as double) as ci_high,
        'gold.genre_mix' as evidence
    from ranked_genres
    inner join coverage on ranked_genres.user_id = coverage.user_id
    -- Fewer than thirty plays make no mix.
    where ranked_genres.place <= 3 and coverage.plays >= 30
    group by ranked_genres.user_id
),

mood as (
    select
        valence.user_id,
        'mood' as subject,
        concat(
            'The music you played has a mean valence of ', round(valence.listener_mean, 2),
            coalesce(
                ' (95% interval ' || round(valence.catalogue_mean + valence.ci_low, 2) || ' to '
                || round(valence.catalogue_mean + valence.ci_high, 2) || ')',
                ''
            ),
            ' and a mean energy of ', round(energy.listener_mean, 2), '; the catalogue has ',
            round(valence.catalogue_mean, 2), ' and ', round(energy.catalogue_mean, 2),
            '. Both run from 0 to 1 and are known for ',
            cast(round(100 * valence.coverage) as bigint),
            '% of your plays. Valence is how positive music sounds, not how you felt.'
        ) as text,
        valence.listener_mean as value,
        valence.n,
        valence.catalogue_mean + valence.ci_low as ci_low,
        valence.catalogue_mean + valence.ci_high as ci_high,
        'gold.taste_vs_catalogue' as evidence
    from taste_vs_catalogue as valence
    inner join taste_vs_catalogue as energy
        on
            valence.user_id = energy.user_id
            and energy.feature = 'energy'
    where valence.feature = 'valence'
),

-- The last 28 days up to the listener's last play against the time before, as means over sessions.
recent_sessions as (
    select
        sessions.user_id,
        sessions.mean_valence,
        sessions.local_date > histories.last_date - interval '28 days' as is_recent
    from sessions
    inner join histories on sessions.user_id = histories.user_id
    where sessions.plays_with_features > 0
),

periods as (
    select
        user_id,
        count(*) filter (where is_recent) as recent_sessions,
        count(*) filter (where not is_recent) as earlier_sessions,
        avg(mean_valence) filter (where is_recent) as recent_valence,
        avg(mean_valence) filter (where not is_recent) as earlier_valence,
        sqrt(
            var_samp(mean_valence) filter (where is_recent) / count(*) filter (where is_recent)
            + var_samp(mean_valence) filter (where not is_recent)
            / count(*) filter (where not is_recent)
        ) as standard_error
    from recent_sessions
    group by user_id
),

lately as (
    select
        periods.user_id,
        'lately' as subject,
        concat(
            'In your last 28 days the mean valence of a session was ',
            round(periods.recent_valence, 2), ', before that ', round(periods.earlier_valence, 2),
            case
                when
                    abs(periods.recent_valence - periods.earlier_valence)
                    <= 1.959964 * periods.standard_error
                    then ': no more apart than chance explains'
                when periods.recent_valence > periods.earlier_valence
                    then ': a little brighter than your usual'
                else ': lower than your usual'
            end,
            ' (',
            periods.recent_sessions,
            ' and ',
            periods.earlier_sessions,
            ' sessions; features known for ',
            cast(round(100 * coverage.share) as bigint), '% of your plays).'
        ) as text,
        periods.recent_valence - periods.earlier_valence as value,
        periods.recent_sessions + periods.earlier_sessions as n,
        periods.recent_valence - periods.earlier_valence
        - 1.959964 * periods.standard_error as ci_low,
        periods.recent_valence - periods.earlier_valence
        + 1.959964 * periods.standard_error as ci_high,
        'gold.mood_by_day' as evidence
    from periods
    inner join coverage on periods.user_id = coverage.user_id
    -- Fewer sessions than ten on a side say nothing of a change.
    where periods.recent_sessions >= 10 and periods.earlier_sessions >= 10
),

subjects as (
    select
        user_id,
        subject,
        text,
        value,
        n,
        ci_low,
        ci_high,
        evidence
    from overview
    union all
    select
        user_id,
        subject,
        text,
        value,
        n,
        ci_low,
        ci_high,
        evidence
    from favourites
    union all
    select
        user_id,
        subject,
        text,
        value,
        n,
        ci_low,
        ci_high,
        evidence
    from genres
    union all
    select
        user_id,
        subject,
        text,
        value,
        n,
        ci_low,
        ci_high,
        evidence
    from mood
    union all
    select
        user_id,
        subject,
        text,
        value,
        n,
        ci_low,
        ci_high,
        evidence
    from lately
)

select
    user_id,
    subject,
    text,
    value,
    n,
    cast(null as double) as p_value,
    ci_low,
    ci_high,
    concat(
        'select * from ', evidence, ' where user_id = ''', replace(user_id, '''', ''''''), ''''
    ) as evidence_sql
from subjects;
