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
        sum(ms_played) / 60000.0 as minutes
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
        days.first_date,
        days.last_date,
        case
            when played.minutes >= 60 then cast(round(played.minutes / 60) as bigint)
            else cast(round(played.minutes) as bigint)
        end as heard,
        case when played.minutes >= 60 then ' hour' else ' minute' end as heard_unit
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
            case
                when histories.first_date = histories.last_date then 'On '
                else concat('From ', to_char(histories.first_date, '%-d %B %Y'), ' to ')
            end,
            to_char(histories.last_date, '%-d %B %Y'), ' you made ',
            histories.plays, case when histories.plays = 1 then ' play of ' else ' plays of ' end,
            histories.tracks, case when histories.tracks = 1 then ' track, ' else ' tracks, ' end,
            histories.heard, histories.heard_unit,
            case when histories.heard = 1 then '' else 's' end, ' of music. Most plays were ',
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
        concat(
            'select min(local_date) as first_date, max(local_date) as last_date, ',
            'count(*) as plays, count(distinct track_id) as tracks, ',
            'sum(ms_played) / 3600000.0 as hours, ',
            'avg(cast(daypart = ''', busiest_dayparts.daypart, ''' as double)) as share ',
            'from silver.plays where user_id = '
        ) as evidence,
        '' as evidence_end
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
            cast(100.0 * top_artists.plays / coverage.plays as decimal(4, 1)),
            '% of all); the track you played most is ',
            coalesce(top_tracks.track_name, top_tracks.track_id),
            coalesce(' by ' || top_tracks.artist, ''), ' (', top_tracks.plays, ' plays).'
        ) as text,
        cast(top_artists.plays as double) as value,
        coverage.plays as n,
        cast(null as double) as ci_low,
        cast(null as double) as ci_high,
        concat(
            'select a.artist, a.plays as artist_plays, c.plays as all_plays, t.track_name, ',
            't.plays as track_plays from gold.top_artists as a inner join gold.top_tracks as t ',
            'on a.user_id = t.user_id and t.rank = 1 inner join gold.coverage as c ',
            'on a.user_id = c.user_id where a.rank = 1 and a.user_id = '
        ) as evidence,
        '' as evidence_end
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
                concat(
                    ranked_genres.genre, ' ',
                    cast(100 * ranked_genres.share as decimal(4, 1)), '%'
                ),
                ', ' order by ranked_genres.place asc
            ),
            ' (of the ', cast(round(100 * max(ranked_genres.coverage)) as bigint),
            '% of your plays whose genre is known).'
        ) as text,
        max(ranked_genres.share) as value,
        cast(round(max(ranked_genres.coverage * coverage.plays)) as bigint) as n,
        cast(null as double) as ci_low,
        cast(null as double) as ci_high,
        'select genre, share, coverage from gold.genre_mix where user_id = ' as evidence,
        ' order by share desc, genre asc limit 3' as evidence_end
    from ranked_genres
    inner join coverage on ranked_genres.user_id = coverage.user_id
    -- Fewer than thirty plays make no mix.
    where ranked_genres.place <= 3 and ranked_genres.coverage * coverage.plays >= 30
    group by ranked_genres.user_id
),

mood as (
    select
        valence.user_id,
        'mood' as subject,
        concat(
            'The music you played has a mean valence of ',
            cast(valence.listener_mean as decimal(20, 2)),
            coalesce(
                ' (95% interval '
                || cast(valence.catalogue_mean + valence.ci_low as decimal(20, 2)) || ' to '
                || cast(valence.catalogue_mean + valence.ci_high as decimal(20, 2)) || ')',
                ''
            ),
            ' and a mean energy of ', cast(energy.listener_mean as decimal(20, 2)),
            '; the catalogue has ', cast(valence.catalogue_mean as decimal(20, 2)), ' and ',
            cast(energy.catalogue_mean as decimal(20, 2)),
            '. Both run from 0 to 1 and are known for ',
            cast(round(100 * valence.coverage) as bigint),
            '% of your plays. Valence is how positive music sounds, not how you felt.',
            case
                when valence.sessions < 20 then ' So few sessions are only a first hint.' else ''
            end
        ) as text,
        valence.listener_mean as value,
        valence.n,
        valence.catalogue_mean + valence.ci_low as ci_low,
        valence.catalogue_mean + valence.ci_high as ci_high,
        concat(
            'select feature, listener_mean, catalogue_mean, catalogue_mean + ci_low as ci_low, ',
            'catalogue_mean + ci_high as ci_high, coverage from gold.taste_vs_catalogue ',
            'where feature in (''valence'', ''energy'') and user_id = '
        ) as evidence,
        '' as evidence_end
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
        histories.last_date,
        sessions.local_date > histories.last_date - interval '28 days' as is_recent
    from sessions
    inner join histories on sessions.user_id = histories.user_id
    where sessions.plays_with_features > 0
),

periods as (
    select
        user_id,
        max(last_date) as last_date,
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
            cast(periods.recent_valence as decimal(20, 2)), ', before that ',
            cast(periods.earlier_valence as decimal(20, 2)),
            case
                when
                    abs(periods.recent_valence - periods.earlier_valence)
                    <= 1.959964 * periods.standard_error
                    then ': no more apart than chance explains'
                when periods.recent_valence > periods.earlier_valence then ': higher than before'
                else ': lower than before'
            end,
            ' (', periods.recent_sessions, ' and ', periods.earlier_sessions,
            ' sessions; features known for ',
            cast(round(100 * coverage.share) as bigint), '% of your plays).'
        ) as text,
        periods.recent_valence - periods.earlier_valence as value,
        periods.recent_sessions + periods.earlier_sessions as n,
        periods.recent_valence - periods.earlier_valence
        - 1.959964 * periods.standard_error as ci_low,
        periods.recent_valence - periods.earlier_valence
        + 1.959964 * periods.standard_error as ci_high,
        concat(
            'select local_date > date ''', cast(periods.last_date as string),
            ''' - interval ''28 days'' as is_recent, count(*) as sessions, ',
            'avg(mean_valence) as mean_valence from silver.sessions ',
            'where plays_with_features > 0 and user_id = '
        ) as evidence,
        ' group by 1' as evidence_end
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
        evidence,
        evidence_end
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
        evidence,
        evidence_end
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
        evidence,
        evidence_end
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
        evidence,
        evidence_end
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
        evidence,
        evidence_end
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
    concat(evidence, '''', replace(user_id, '''', ''''''), '''', evidence_end) as evidence_sql
from subjects;
