-- What the models expect of a listener's tracks and sessions, in words, and how far to trust it.
-- grain: one row per user_id and subject
create or replace table gold.predictive_insights as
with

coverage as (
    select * from gold.coverage
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

replay_predictions as (
    select * from gold.replay_predictions
),

sessions as (
    select * from silver.sessions
),

-- The model is judged on what it was not trained on.
scores as (
    select
        live_models.version,
        live_models.n_classes,
        max(metrics.value) filter (where metrics.metric = 'accuracy') as accuracy,
        max(metrics.ci_low) filter (where metrics.metric = 'accuracy') as ci_low,
        max(metrics.ci_high) filter (where metrics.metric = 'accuracy') as ci_high,
        max(metrics.n) filter (where metrics.metric = 'accuracy') as n,
        max(metrics.value) filter (where metrics.metric = 'majority_accuracy')
            as majority_accuracy,
        max(metrics.value) filter (where metrics.metric = 'auc') as auc
    from live_models
    inner join metrics
        on
            live_models.model = metrics.model
            and live_models.version = metrics.version
    where live_models.model = 'mood' and metrics.split = 'test'
    group by live_models.version, live_models.n_classes
),

trust as (
    select
        coverage.user_id,
        'mood model' as subject,
        concat(
            'On ', scores.n, case when scores.n = 1 then ' track' else ' tracks' end,
            ' by artists it had not met, the mood model named the right one of ',
            scores.n_classes, ' moods for ', cast(round(100 * scores.accuracy) as int), '%',
            coalesce(
                ' (95% interval ' || cast(round(100 * scores.ci_low) as int) || '% to '
                || cast(round(100 * scores.ci_high) as int) || '%)',
                ''
            ),
            '; always naming the commonest mood of its training tracks would be right for ',
            cast(round(100 * scores.majority_accuracy) as int), '%.',
            coalesce(' Its mean AUC is ' || cast(scores.auc as decimal(20, 2)) || '.', ''),
            case
                when coalesce(scores.ci_low, scores.accuracy) <= scores.majority_accuracy
                    then ' That is no better than guessing: leave its moods aside.'
                else ''
            end
        ) as text,
        scores.accuracy as value,
        scores.n,
        scores.ci_low,
        scores.ci_high,
        concat(
            'select metric, value, ci_low, ci_high, n from ml.metrics where model = ''mood'' ',
            'and version = ', scores.version, ' and split = ''test'' order by metric'
        ) as evidence_sql
    from coverage
    cross join scores
    where scores.accuracy is not null
),

replay_scores as (
    select
        live_models.version,
        max(metrics.value) filter (where metrics.metric = 'auc') as auc,
        max(metrics.ci_low) filter (where metrics.metric = 'auc') as ci_low,
        max(metrics.ci_high) filter (where metrics.metric = 'auc') as ci_high,
        max(metrics.n) filter (where metrics.metric = 'auc') as n
    from live_models
    inner join metrics
        on
            live_models.model = metrics.model
            and live_models.version = metrics.version
    where live_models.model = 'replay' and metrics.split = 'test'
    group by live_models.version
),

replay_trust as (
    select
        coverage.user_id,
        'replay model' as subject,
        concat(
            'Of two later plays, one that was followed by another of the same track within ',
            'thirty days and one that was not, the replay model tells which is which ',
            cast(round(100 * scores.auc) as int), '% of the time',
            coalesce(
                ' (95% interval ' || cast(round(100 * scores.ci_low) as int) || '% to '
                || cast(round(100 * scores.ci_high) as int) || '%)',
                ''
            ),
            ', measured on ', scores.n, ' plays later than those it learnt from. Guessing is ',
            'right half of the time.',
            case
                when coalesce(scores.ci_low, scores.auc) <= 0.5
                    then ' That is no better than guessing: leave it aside.'
                else ''
            end
        ) as text,
        scores.auc as value,
        scores.n,
        scores.ci_low,
        scores.ci_high,
        concat(
            'select metric, value, ci_low, ci_high, n from ml.metrics where model = ''replay'' ',
            'and version = ', scores.version, ' and split = ''test'' order by metric'
        ) as evidence_sql
    from coverage
    cross join replay_scores as scores
    where scores.auc is not null
),

ranked_replays as (
    select
        user_id,
        track_id,
        track_name,
        artist,
        probability,
        count(*) over (partition by user_id) as n,
        row_number() over (partition by user_id order by probability desc, track_id asc) as place
    from replay_predictions
),

next_track as (
    select
        user_id,
        'next track' as subject,
        concat(
            'Of the ', n, case when n = 1 then ' track' else ' tracks' end,
            ' of your last thirty days, ', coalesce(track_name, track_id),
            coalesce(' by ' || artist, ''),
            ' is the likeliest to come again within thirty days of its last play: the replay ',
            'model gives it ', cast(round(100 * probability) as int), '%.'
        ) as text,
        probability as value,
        n,
        cast(null as double) as ci_low,
        cast(null as double) as ci_high,
        concat(
            'select track_id, track_name, artist, played_at, probability from ',
            'gold.replay_predictions where user_id = ''', replace(user_id, '''', ''''''),
            ''' order by probability desc, track_id asc limit 10'
        ) as evidence_sql
    from ranked_replays
    where place = 1
),

played_moods as (
    select
        track_plays.user_id,
        mood_predictions.mood,
        max(mood_predictions.n_moods) as n_moods,
        sum(track_plays.plays) as plays,
        sum(track_plays.plays * mood_predictions.probability) as certain_plays
    from track_plays
    inner join mood_predictions on track_plays.track_id = mood_predictions.track_id
    group by track_plays.user_id, mood_predictions.mood
),

ranked_moods as (
    select
        user_id,
        mood,
        n_moods,
        cast(plays as double) / sum(plays) over (partition by user_id) as share,
        sum(certain_plays) over (partition by user_id)
        / sum(plays) over (partition by user_id) as certainty,
        sum(plays) over (partition by user_id) as n,
        row_number() over (partition by user_id order by plays desc, mood asc) as place
    from played_moods
),

moods as (
    select
        ranked_moods.user_id,
        'mood mix' as subject,
        concat(
            'To the mood model your plays sound most like ',
            string_agg(
                concat(ranked_moods.mood, ' (', cast(round(100 * ranked_moods.share) as int), '%)'),
                ', ' order by ranked_moods.place asc
            ),
            '. It chooses among ', max(ranked_moods.n_moods),
            ' moods and gives its choice a probability of ',
            cast(round(100 * max(ranked_moods.certainty)) as int),
            '% on average; features are known for ',
            cast(round(100 * max(coverage.share)) as int),
            '% of your plays. It speaks of the music, not of you.',
            case
                when max(ranked_moods.n) < 30 then ' So few plays are only a first hint.' else ''
            end
        ) as text,
        max(ranked_moods.share) as value,
        max(ranked_moods.n) as n,
        cast(null as double) as ci_low,
        cast(null as double) as ci_high,
        concat(
            'select p.mood, sum(t.plays) as plays, ',
            'cast(sum(t.plays) as double) / sum(sum(t.plays)) over () as share, ',
            'sum(t.plays * p.probability) / sum(t.plays) as probability ',
            'from gold.track_plays as t inner join gold.mood_predictions as p ',
            'on t.track_id = p.track_id where t.user_id = ''',
            replace(ranked_moods.user_id, '''', ''''''),
            ''' group by p.mood order by plays desc, p.mood asc'
        ) as evidence_sql
    from ranked_moods
    inner join coverage on ranked_moods.user_id = coverage.user_id
    where ranked_moods.place <= 3
    group by ranked_moods.user_id
),

-- The next session begins as the last hundred did; the interval is Wilson's (1927).
recent_sessions as (
    select
        user_id,
        daypart,
        row_number() over (partition by user_id order by started_at desc, session_id asc) as recency
    from sessions
),

recent_dayparts as (
    select
        user_id,
        daypart,
        count(*) as begun
    from recent_sessions
    where recency <= 100
    group by user_id, daypart
),

ranked_dayparts as (
    select
        user_id,
        daypart,
        cast(begun as double) / sum(begun) over (partition by user_id) as share,
        sum(begun) over (partition by user_id) as n,
        row_number() over (partition by user_id order by begun desc, daypart asc) as place
    from recent_dayparts
),

intervals as (
    select
        user_id,
        daypart,
        share,
        n,
        (
            share + 3.841458881296 / (2 * n)
            - 1.959964 * sqrt(share * (1 - share) / n + 3.841458881296 / (4.0 * n * n))
        ) / (1 + 3.841458881296 / n) as ci_low,
        (
            share + 3.841458881296 / (2 * n)
            + 1.959964 * sqrt(share * (1 - share) / n + 3.841458881296 / (4.0 * n * n))
        ) / (1 + 3.841458881296 / n) as ci_high
    from ranked_dayparts
    where place = 1
),

next_session as (
    select
        user_id,
        'next session' as subject,
        concat(
            'If you go on as in your last ',
            case when n = 1 then 'session' else concat(n, ' sessions') end,
            ', the next one begins ',
            case daypart when 'night' then 'at night' else concat('in the ', daypart) end,
            ' with a chance of ', cast(round(100 * share) as int), '% (95% interval ',
            cast(round(100 * ci_low) as int), '% to ', cast(round(100 * ci_high) as int), '%).',
            case when n < 30 then ' So few sessions are only a first hint.' else '' end
        ) as text,
        share as value,
        n,
        ci_low,
        ci_high,
        concat(
            'select daypart, count(*) as sessions, ',
            'cast(count(*) as double) / sum(count(*)) over () as share ',
            'from (select daypart from silver.sessions ',
            'where user_id = ''', replace(user_id, '''', ''''''),
            ''' order by started_at desc, session_id asc limit 100) as recent ',
            'group by daypart order by sessions desc, daypart asc'
        ) as evidence_sql
    from intervals
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
        evidence_sql
    from trust
    union all
    select
        user_id,
        subject,
        text,
        value,
        n,
        ci_low,
        ci_high,
        evidence_sql
    from moods
    union all
    select
        user_id,
        subject,
        text,
        value,
        n,
        ci_low,
        ci_high,
        evidence_sql
    from next_session
    union all
    select
        user_id,
        subject,
        text,
        value,
        n,
        ci_low,
        ci_high,
        evidence_sql
    from replay_trust
    union all
    select
        user_id,
        subject,
        text,
        value,
        n,
        ci_low,
        ci_high,
        evidence_sql
    from next_track
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
from subjects;
