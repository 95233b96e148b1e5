-- What a listener could play next, in words: more of the same, or a gentle step.
-- grain: one row per user_id and subject
create or replace table gold.prescriptive_insights as
with

coverage as (
    select * from gold.coverage
),

recommendations as (
    select * from gold.recommendations
),

sessions as (
    select * from silver.sessions
),

heard as (
    select
        user_id,
        count(*) filter (where plays_with_features > 0) as sessions
    from sessions
    group by user_id
),

mirror as (
    select
        user_id,
        'mirror' as subject,
        concat(
            'For more of what you play now: ',
            string_agg(
                coalesce(track_name, track_id) || coalesce(' by ' || artist, ''),
                '; ' order by rank asc
            ),
            '. The first fits your present pattern with a match of ',
            cast(max(match_score) as decimal(20, 2)), ' out of 1.'
        ) as text,
        max(match_score) as value
    from recommendations
    where mode = 'mirror' and rank <= 3
    group by user_id
),

-- A list begins where the listener is; its last track leads furthest.
coach_ordered as (
    select
        user_id,
        track_name,
        track_id,
        artist,
        valence_delta,
        energy_delta,
        tempo_delta_pct,
        row_number() over (partition by user_id order by valence_delta desc, rank asc) as place
    from recommendations
    where mode = 'coach'
),

coach_furthest as (
    select
        user_id,
        'coach' as subject,
        concat(
            'For a gentle step, if you want one: ', coalesce(track_name, track_id),
            coalesce(' by ' || artist, ''), '. Beside where you are its valence is ',
            case
                when round(valence_delta, 2) = 0 then 'the same'
                when valence_delta > 0
                    then concat(cast(valence_delta as decimal(20, 2)), ' higher')
                else concat(cast(-valence_delta as decimal(20, 2)), ' lower')
            end,
            ', its energy ',
            case
                when round(energy_delta, 2) = 0 then 'the same'
                when energy_delta > 0 then concat(cast(energy_delta as decimal(20, 2)), ' higher')
                else concat(cast(-energy_delta as decimal(20, 2)), ' lower')
            end,
            ', its tempo ',
            case
                when round(tempo_delta_pct) = 0 then 'the same'
                when tempo_delta_pct > 0
                    then concat(cast(round(tempo_delta_pct) as int), '% faster')
                else concat(cast(round(-tempo_delta_pct) as int), '% slower')
            end,
            ': all within the caps of gold.coach_policy. Staying where you are is fine too.'
        ) as text,
        valence_delta as value
    from coach_ordered
    where place = 1
),

-- Coach keeps silent rather than break a cap, and says so.
coach_silent as (
    select
        user_id,
        'coach' as subject,
        case
            when plays_with_features > 0
                then 'No track fits within coach''s caps at the moment. Stay with what you like.'
            else 'There is nothing to recommend yet: no play has known audio features.'
        end as text,
        cast(null as double) as value
    from coverage
    where
        user_id not in (
            select coached.user_id from recommendations as coached
            where coached.mode = 'coach'
        )
),

subjects as (
    select
        user_id,
        subject,
        text,
        value
    from mirror
    union all
    select
        user_id,
        subject,
        text,
        value
    from coach_furthest
    union all
    select
        user_id,
        subject,
        text,
        value
    from coach_silent
)

select
    subjects.user_id,
    subjects.subject,
    concat(
        subjects.text,
        ' Features are known for ', cast(round(100 * coverage.share) as int), '% of your plays.',
        case
            when heard.sessions between 1 and 9 then ' So few sessions are only a first hint.'
            else ''
        end
    ) as text,
    subjects.value,
    -- The plays that the listener's pattern is taken from.
    coverage.plays_with_features as n,
    cast(null as double) as p_value,
    cast(null as double) as ci_low,
    cast(null as double) as ci_high,
    concat(
        'select * from gold.recommendations where user_id = ''',
        replace(subjects.user_id, '''', ''''''), ''' and mode = ''', subjects.subject,
        ''' order by rank'
    ) as evidence_sql
from subjects
inner join coverage on subjects.user_id = coverage.user_id
inner join heard on subjects.user_id = heard.user_id;
