-- Why: what makes a recommendation, a listening mode and a model's answer what they are, in words.
-- grain: one row per user_id and subject
create or replace table gold.cognitive_insights as
with

coverage as (
    select * from gold.coverage
),

recommendations as (
    select * from gold.recommendations
),

explanations as (
    select * from gold.explanations
),

mode_by_daypart as (
    select * from gold.mode_by_daypart
),

live_models as (
    select * from gold.live_models
),

metrics as (
    select * from ml.metrics
),

track_plays as (
    select * from gold.track_plays
),

mood_predictions as (
    select * from gold.mood_predictions
),

tracks as (
    select * from silver.tracks
),

track_features as (
    select * from silver.track_features
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

-- The parts of the first recommendation's score.
parts as (
    select
        explanations.user_id,
        recommendations.track_id,
        coalesce(recommendations.track_name, recommendations.track_id) as track_name,
        explanations.feature,
        explanations.value,
        explanations.typical,
        explanations.contribution_pct,
        row_number() over (
            partition by explanations.user_id
            order by abs(explanations.contribution_pct) desc, explanations.feature asc
        ) as place
    from recommendations
    inner join explanations
        on
            recommendations.user_id = explanations.user_id
            and recommendations.mode = explanations.mode
            and recommendations.track_id = explanations.track_id
    where recommendations.mode = 'mirror' and recommendations.rank = 1
),

reasons as (
    select
        parts.user_id,
        'why this track' as subject,
        concat(
            'Why ', max(parts.track_name), ' comes first for you: ',
            string_agg(
                concat(
                    parts.feature, ' makes ', cast(round(parts.contribution_pct) as int),
                    '% of its match (', cast(parts.value as decimal(20, 2)),
                    ', you usually play ', cast(parts.typical as decimal(20, 2)), ')'
                ),
                ', ' order by parts.place asc
            ),
            '; features known for ', cast(round(100 * max(coverage.share)) as int),
            '% of your plays.',
            case
                when max(heard.sessions) < 10 then ' So few sessions are only a first hint.'
                else ''
            end
        ) as text,
        max(parts.contribution_pct) as value,
        cast(null as bigint) as n,
        cast(null as double) as ci_low,
        cast(null as double) as ci_high,
        concat(
            'select feature, value, typical, contribution_pct from gold.explanations ',
            'where user_id = ''', replace(parts.user_id, '''', ''''''),
            ''' and mode = ''mirror'' and track_id = ''', max(parts.track_id),
            ''' order by contribution_pct desc, feature asc'
        ) as evidence_sql
    from parts
    inner join coverage on parts.user_id = coverage.user_id
    inner join heard on parts.user_id = heard.user_id
    where parts.place <= 3
    group by parts.user_id
),

-- Ten sessions in a part of the day are the fewest to speak of its habits.
ranked_modes as (
    select
        user_id,
        name,
        daypart,
        all_sessions,
        share,
        other_share,
        difference,
        ci_low,
        ci_high,
        row_number() over (
            partition by user_id
            order by z desc nulls last, mode asc, daypart asc
        ) as place
    from mode_by_daypart
    where daypart_sessions >= 10 and all_sessions - daypart_sessions >= 10
),

-- Clusters can be drawn through any cloud: the silhouette beside that of shuffled columns tells how
-- real they are.
fits as (
    select
        max(metrics.value) filter (where metrics.metric = 'silhouette') as silhouette,
        max(metrics.value) filter (where metrics.metric = 'silhouette_null') as silhouette_null
    from live_models
    inner join metrics
        on
            live_models.model = metrics.model
            and live_models.version = metrics.version
    where live_models.model = 'modes'
),

modes as (
    select
        ranked_modes.user_id,
        'listening modes' as subject,
        concat(
            'Sessions of the kind ''',
            ranked_modes.name,
            ''' make ',
            cast(round(100 * ranked_modes.share) as int),
            '% of those that you begin ',
            case ranked_modes.daypart
                when 'night' then 'at night'
                else concat('in the ', ranked_modes.daypart)
            end, ' and ',
            cast(round(100 * ranked_modes.other_share) as int), '% of the others (difference ',
            cast(round(100 * ranked_modes.difference) as int),
            ' points, 95% interval over all kinds and times ',
            cast(round(100 * ranked_modes.ci_low) as int), ' to ',
            cast(round(100 * ranked_modes.ci_high) as int),
            '; features known for ', cast(round(100 * coverage.share) as int), '% of your plays).',
            case
                when ranked_modes.ci_low <= 0
                    then ' The interval includes 0, so this may be chance.'
                else ''
            end,
            coalesce(
                case
                    when fits.silhouette > fits.silhouette_null
                        then ' The five kinds are more distinct than chance would make them'
                    else ' The five kinds are no more distinct than chance would make them'
                end
                || ' (silhouette ' || cast(fits.silhouette as decimal(20, 2))
                || ', shuffled data ' || cast(fits.silhouette_null as decimal(20, 2)) || ').',
                ''
            )
        ) as text,
        ranked_modes.difference as value,
        ranked_modes.all_sessions as n,
        ranked_modes.ci_low,
        ranked_modes.ci_high,
        concat(
            'select * from gold.mode_by_daypart where user_id = ''',
            replace(ranked_modes.user_id, '''', ''''''), ''' order by z desc'
        ) as evidence_sql
    from ranked_modes
    inner join coverage on ranked_modes.user_id = coverage.user_id
    cross join fits
    where ranked_modes.place = 1
),

-- The track with known features that each listener played most.
favourites as (
    select
        track_plays.user_id,
        track_plays.track_id,
        mood_predictions.probability,
        row_number() over (
            partition by track_plays.user_id
            order by track_plays.plays desc, track_plays.ms_played desc, track_plays.track_id asc
        ) as place
    from track_plays
    inner join mood_predictions on track_plays.track_id = mood_predictions.track_id
),

explained as (
    select
        user_id,
        track_id,
        probability,
        class as mood,
        feature,
        value,
        contribution
    from shap_explain(
        model => 'mood',
        input => (
            select
                favourites.user_id,
                favourites.track_id,
                favourites.probability,
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
            from favourites
            inner join track_features on favourites.track_id = track_features.track_id
            where favourites.place = 1
        )
    )
),

pulls as (
    select
        user_id,
        track_id,
        mood,
        probability,
        feature,
        value,
        contribution,
        100 * abs(contribution)
        / nullif(sum(abs(contribution)) over (partition by user_id), 0) as pull_pct,
        row_number() over (
            partition by user_id
            order by abs(contribution) desc, feature asc
        ) as place
    from explained
),

heard_moods as (
    select
        pulls.user_id,
        'why this mood' as subject,
        concat(
            'Why the mood model hears ''', max(pulls.mood), ''' in ',
            max(coalesce(tracks.track_name, pulls.track_id)),
            ', of the tracks with known features the one you play most (probability ',
            cast(round(100 * max(pulls.probability)) as int), '%): ',
            string_agg(
                concat(
                    pulls.feature, ' ', cast(pulls.value as decimal(20, 2)), ' pulls ',
                    case when pulls.contribution < 0 then 'away from it' else 'towards it' end,
                    ' (', cast(round(pulls.pull_pct) as int), '% of the pull)'
                ),
                '; ' order by pulls.place asc
            ),
            '; features known for ', cast(round(100 * max(coverage.share)) as int),
            '% of your plays.'
        ) as text,
        max(pulls.pull_pct) as value,
        cast(null as bigint) as n,
        cast(null as double) as ci_low,
        cast(null as double) as ci_high,
        concat(
            'select feature, value, contribution, abs(contribution_pct) as pull_pct ',
            'from shap_explain(',
            'model => ''mood'', input => (select * from silver.track_features ',
            'where track_id = ''', max(pulls.track_id), ''')) order by abs(contribution) desc'
        ) as evidence_sql
    from pulls
    inner join coverage on pulls.user_id = coverage.user_id
    left join tracks on pulls.track_id = tracks.track_id
    where pulls.place <= 3
    group by pulls.user_id
),

-- Nobody goes without an answer, even where it is that there is none yet.
nothing_found as (
    select
        user_id,
        'nothing found' as subject,
        concat(
            'There is nothing to explain yet: audio features are known for ', plays_with_features,
            ' of your ', plays, case when plays = 1 then ' play' else ' plays' end,
            ', and what has none cannot be told apart by sound.'
        ) as text,
        share as value,
        plays as n,
        cast(null as double) as ci_low,
        cast(null as double) as ci_high,
        concat(
            'select * from gold.coverage where user_id = ''', replace(user_id, '''', ''''''), ''''
        ) as evidence_sql
    from coverage
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
        evidence_sql,
        true as is_found
    from reasons
    union all
    select
        user_id,
        subject,
        text,
        value,
        n,
        ci_low,
        ci_high,
        evidence_sql,
        true as is_found
    from modes
    union all
    select
        user_id,
        subject,
        text,
        value,
        n,
        ci_low,
        ci_high,
        evidence_sql,
        true as is_found
    from heard_moods
    union all
    select
        user_id,
        subject,
        text,
        value,
        n,
        ci_low,
        ci_high,
        evidence_sql,
        false as is_found
    from nothing_found
),

counted as (
    select
        user_id,
        subject,
        text,
        value,
        n,
        ci_low,
        ci_high,
        evidence_sql,
        is_found,
        sum(cast(is_found as int)) over (partition by user_id) as findings
    from subjects
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
    evidence_sql
from counted
where is_found or findings = 0;
