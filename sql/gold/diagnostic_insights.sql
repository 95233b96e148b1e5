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
            round(odds_ratio, 2), ' times those in the evening'
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
    where feature = 'energy'
),

low_valence as (
    select
        user_id,
        'low valence' as subject,
        concat(
            'Tracks of low valence (below ', threshold, ') get ', round(rate_ratio, 2),
            ' times the plays of other tracks of their genre'
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
            round(completions.ratio, 2), ' times as often'
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
            finding, ' (95% interval ', round(ci_low, 2), ' to ', round(ci_high, 2), '; ', basis,
            '; features known for ', cast(round(100 * coverage) as int), '% of your plays).',
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
                        'Of ', ranked_links.tests_made, ' links tried, the clearest is between ',
                        ranked_links.feature, ' and ',
                        case ranked_links.outcome
                            when 'plays' then 'how often you play a track'
                            when 'completion' then 'how much of a track you hear'
                            else 'whether a session begins in the morning'
                        end,
                        ': r = ', round(ranked_links.r, 2), ' (95% interval ',
                        round(ranked_links.ci_low, 2),
                        ' to ',
                        round(ranked_links.ci_high, 2),
                        ', n = ',
                        ranked_links.n, ', ',
                        case
                            when ranked_links.q_value < 0.001 then 'q < 0.001'
                            else concat('q = ', round(ranked_links.q_value, 3))
                        end,
                        ' after correction for the number tried). A link is not a cause.'
                    )
            else concat(
                'Of ', ranked_links.tests_made, ' links between features and what you do, none ',
                'stands out from chance once their number is taken into account.'
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
            'Of eleven features, what sets your listening apart most is ',
            feature,
            ': ',
            round(listener_mean, 2),
            ' on average where the catalogue has ', round(catalogue_mean, 2), ' (difference ',
            round(difference, 3), ', 95% interval ', round(ci_low, 3), ' to ', round(ci_high, 3),
            ', ',
            round(abs(standardised_difference), 2),
            ' standard deviations; features known for ',
            cast(round(100 * coverage) as int), '% of your plays).'
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
            ' plays. A catalogue that holds more of your tracks would change that.'
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
