-- Recommendations whose parts do not add up to their scores.
with

parts as (
    select
        user_id,
        mode,
        track_id,
        sum(contribution) filter (where feature <> 'valence_step') as match_score,
        sum(contribution) filter (where feature = 'valence_step') as improvement_score
    from gold.explanations
    group by user_id, mode, track_id
)

select
    recommendations.user_id,
    recommendations.mode,
    recommendations.track_id,
    recommendations.match_score,
    parts.match_score as sum_of_match_parts,
    recommendations.improvement_score,
    parts.improvement_score as sum_of_improvement_parts
from gold.recommendations as recommendations
left join parts
    on
        recommendations.user_id = parts.user_id
        and recommendations.mode = parts.mode
        and recommendations.track_id = parts.track_id
where
    coalesce(abs(recommendations.match_score - parts.match_score) > 1e-9, true)
    or (recommendations.mode = 'mirror' and parts.improvement_score is not null)
    or (
        recommendations.mode = 'coach'
        and coalesce(abs(recommendations.improvement_score - parts.improvement_score) > 1e-9, true)
    );

-- Features that a recommendation explains twice, or not at all.
select
    user_id,
    mode,
    track_id,
    feature,
    count(*) as copies
from gold.explanations
group by user_id, mode, track_id, feature
having count(*) > 1 or count(contribution) < count(*);
