-- What goes with what in a listener's plays, in words and with its uncertainty.
-- grain: one row per user_id and subject
create or replace table gold.diagnostic_insights as
with

coverage as (
    select * from gold.coverage
),

daypart_lift as (
    select * from gold.daypart_lift
),

play_rate_by_feature as (
    select * from gold.play_rate_by_feature
),

completion_by_feature as (
    select * from gold.completion_by_feature
),

feature_correlations as (
    select * from gold.feature_correlations
),

taste_vs_catalogue as (
    select * from gold.taste_vs_catalogue
),

mornings as (
    select
        user_id,
        'morning energy' as subject,
        concat(
            'The odds of a track of high energy (above ', threshold, ') in the morning are ',
            cast(odds_ratio as decimal(20, 2)), ' times those in the evening'
        ) as finding,
        odds_ratio as value,
        n,
        p_value,
        ci_low,
        ci_high,
        coverage,
        concat(n, ' morning and evening plays in ', sessions, ' sessions') as basis,
        'gold.daypart_lift' as evidence,
        'and feature = ''energy''' as evidence_filter
    from daypart_lift
    -- Fewer sessions than ten say nothing of habits.
    where feature = 'energy' and sessions >= 10
),

low_valence as (
    select
        user_id,
        'low valence' as subject,
        concat(
            'Tracks of low valence (below ', threshold, ') get ',
            cast(rate_ratio as decimal(20, 2)), ' times the plays of other tracks of their genre'
        ) as finding,
        rate_ratio as value,
        n_tracks as n,
        p_value,
        ci_low,
        ci_high,
        coverage,
        concat(n_tracks, ' tracks of the catalogue, those you never played included') as basis,
        'gold.play_rate_by_feature' as evidence,
        'and feature = ''valence''' as evidence_filter
    from play_rate_by_feature
    where feature = 'valence'
),

-- The two shares come from different tracks, so the variances of their logarithms add up (the
-- delta method).
completions as (
    select
        beyond.user_id,
        beyond.completion as beyond_completion,
        rest.completion as rest_completion,
        beyond.n + rest.n as n,
        beyond.completion / nullif(rest.completion, 0) as ratio,
        sqrt(
            power(beyond.standard_error / nullif(beyond.completion, 0), 2)
            + power(rest.standard_error / nullif(rest.completion, 0), 2)
        ) as standard_error
    from completion_by_feature as beyond
    inner join completion_by_feature as rest
        on
            beyond.user_id = rest.user_id
            and beyond.feature = rest.feature
            and rest.bucket = 'rest'
    where beyond.feature = 'instrumentalness' and beyond.bucket <> 'rest'
),

instrumental as (
    select
        completions.user_id,
        'instrumental tracks' as subject,
        concat(
            'You finish ',
            cast(round(100 * completions.beyond_completion) as int),
            '% of your plays of ',
            'instrumental tracks (instrumentalness above 0.7) and ',
            cast(round(100 * completions.rest_completion) as int), '% of the others, ',
            cast(completions.ratio as decimal(20, 2)), ' times as often'
        ) as finding,
        completions.ratio as value,
        completions.n,
        2 * normal_cdf(-abs(ln(nullif(completions.ratio, 0))) / completions.standard_error)
            as p_value,
        completions.ratio * exp(-1.959964 * completions.standard_error) as ci_low,
        completions.ratio * exp(1.959964 * completions.standard_error) as ci_high,
        coverage.share as coverage,
        concat(completions.n, ' plays') as basis,
        'gold.completion_by_feature' as evidence,
        'and feature = ''instrumentalness''' as evidence_filter
    from completions
    inner join coverage on completions.user_id = coverage.user_id
),

-- A ratio without an interval is no evidence; one whose interval holds 1 is called that.
ratios as (
    select
        user_id,
        subject,
        finding,
        value,
        n,
        p_value,
        ci_low,
        ci_high,
        coverage,
        basis,
        evidence,
        evidence_filter
    from mornings
    union all
    select
        user_id,
        subject,
        finding,
        value,
        n,
        p_value,
        ci_low,
        ci_high,
        coverage,
        basis,
        evidence,
        evidence_filter
    from low_valence
    union all
    select
        user_id,
        subject,
        finding,
        value,
        n,
        p_value,
        ci_low,
        ci_high,
        coverage,
        basis,
        evidence,
        evidence_filter
    from instrumental
),

worded_ratios as (
    select
        user_id,
        subject,
        concat(
            finding, ' (95% interval ', cast(ci_low as decimal(20, 2)), ' to ',
            cast(ci_high as decimal(20, 2)), '; ', basis, '; features known for ',
            cast(round(100 * coverage) as int), '% of your plays).',
            case
                when ci_low <= 1 and ci_high >= 1
                    then ' The interval includes 1, so this may be chance.'
                else ''
            end
        ) as text,
        value,
        n,
        p_value,
        ci_low,
        ci_high,
        evidence,
        evidence_filter
    from ratios
    where ci_low is not null and ci_high is not null
),

ranked_links as (
    select
        user_id,
        feature,
        outcome,
        r,
        n,
        p_value,
        ci_low,
        ci_high,
        q_value,
        count(*) over (partition by user_id) as tests_made,
        row_number() over (
            partition by user_id
            order by p_value asc, abs(r) desc, outcome asc, feature asc
        ) as place
    from feature_correlations
),

strongest_link as (
    select
        ranked_links.user_id,
        'strongest link' as subject,
        case
            when ranked_links.q_value < 0.05
                then
                    concat(
                        'Of ', ranked_links.tests_made,
                        case when ranked_links.tests_made = 1 then ' link' else ' links' end,
                        ' tried, the clearest is between ',
                        ranked_links.feature, ' and ',
                        case ranked_links.outcome
                            when 'plays' then 'how often you play a track'
                            when 'completion' then 'how much of a track you hear'
                            else 'whether a session begins in the morning'
                        end,
                        ': r = ', cast(ranked_links.r as decimal(20, 2)), ' (95% interval ',
                        cast(ranked_links.ci_low as decimal(20, 2)), ' to ',
                        cast(ranked_links.ci_high as decimal(20, 2)), ', n = ', ranked_links.n,
                        ', ',
                        case
                            when ranked_links.q_value < 0.001 then 'q < 0.001'
                            else concat('q = ', cast(ranked_links.q_value as decimal(20, 3)))
                        end,
                        ' after correction for the number tried; features known for ',
                        cast(round(100 * coverage.share) as int),
                        '% of your plays). A link is not a cause.'
                    )
            else concat(
                'Of ', ranked_links.tests_made,
                case when ranked_links.tests_made = 1 then ' link' else ' links' end,
                ' between features and what you do, none stands out from chance once their ',
                'number is taken into account (features known for ',
                cast(round(100 * coverage.share) as int), '% of your plays).'
            )
        end as text,
        ranked_links.r as value,
        ranked_links.n,
        ranked_links.p_value,
        ranked_links.ci_low,
        ranked_links.ci_high,
        'gold.feature_correlations' as evidence,
        concat(
            'and feature = ''', ranked_links.feature, ''' and outcome = ''',
            ranked_links.outcome, ''''
        ) as evidence_filter
    from ranked_links
    inner join coverage on ranked_links.user_id = coverage.user_id
    where ranked_links.place = 1
),

-- Of the features whose interval leaves zero out, the one furthest from the catalogue.
ranked_tastes as (
    select
        user_id,
        feature,
        listener_mean,
        catalogue_mean,
        difference,
        ci_low,
        ci_high,
        standardised_difference,
        n,
        sessions,
        coverage,
        row_number() over (
            partition by user_id
            order by abs(standardised_difference) desc, feature asc
        ) as place
    from taste_vs_catalogue
    where ci_low > 0 or ci_high < 0
),

taste as (
    select
        user_id,
        'taste' as subject,
        concat(
            'Of all features, what sets your listening apart most is ', feature, ': ',
            cast(listener_mean as decimal(20, 2)), ' on average where the catalogue has ',
            cast(catalogue_mean as decimal(20, 2)), ' (difference ',
            cast(difference as decimal(20, 2)), ', 95% interval ',
            cast(ci_low as decimal(20, 2)), ' to ', cast(ci_high as decimal(20, 2)), ', ',
            cast(abs(standardised_difference) as decimal(20, 2)),
            ' standard deviations; features known for ',
            cast(round(100 * coverage) as int), '% of your plays).',
            case when sessions < 20 then ' So few sessions are only a first hint.' else '' end
        ) as text,
        difference as value,
        n,
        cast(null as double) as p_value,
        ci_low,
        ci_high,
        'gold.taste_vs_catalogue' as evidence,
        concat('and feature = ''', feature, '''') as evidence_filter
    from ranked_tastes
    where place = 1
),

-- Nobody goes without an answer, even where it is that there is none yet.
nothing_found as (
    select
        user_id,
        'nothing found' as subject,
        concat(
            'There is not enough to compare yet: audio features are known for ',
            plays_with_features, ' of your ', plays,
            case when plays = 1 then ' play. ' else ' plays. ' end,
            case
                when plays_with_features < plays
                    then 'A catalogue that holds more of your tracks would change that.'
                else 'More listening will change that.'
            end
        ) as text,
        share as value,
        plays as n,
        cast(null as double) as p_value,
        cast(null as double) as ci_low,
        cast(null as double) as ci_high,
        'gold.coverage' as evidence,
        '' as evidence_filter
    from coverage
),

subjects as (
    select
        user_id,
        subject,
        text,
        value,
        n,
        p_value,
        ci_low,
        ci_high,
        evidence,
        evidence_filter,
        true as is_found
    from worded_ratios
    union all
    select
        user_id,
        subject,
        text,
        value,
        n,
        p_value,
        ci_low,
        ci_high,
        evidence,
        evidence_filter,
        true as is_found
    from strongest_link
    union all
    select
        user_id,
        subject,
        text,
        value,
        n,
        p_value,
        ci_low,
        ci_high,
        evidence,
        evidence_filter,
        true as is_found
    from taste
    union all
    select
        user_id,
        subject,
        text,
        value,
        n,
        p_value,
        ci_low,
        ci_high,
        evidence,
        evidence_filter,
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
        p_value,
        ci_low,
        ci_high,
        evidence,
        evidence_filter,
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
    p_value,
    ci_low,
    ci_high,
    trim(concat(
        'select * from ', evidence, ' where user_id = ''', replace(user_id, '''', ''''''), ''' ',
        evidence_filter
    )) as evidence_sql
from counted
where is_found or findings = 0;
