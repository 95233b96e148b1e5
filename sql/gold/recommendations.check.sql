-- Ranks with gaps, tracks twice, or scores that are out of order or of their range.
with

ordered as (
    select
        user_id,
        mode,
        rank,
        track_id,
        score,
        match_score,
        improvement_score,
        row_number() over (
            partition by user_id, mode
            order by rank asc
        ) as expected_rank,
        row_number() over (
            partition by user_id, mode
            order by score desc, track_id asc
        ) as rank_by_score,
        count(*) over (partition by user_id, mode, track_id) as copies
    from gold.recommendations
)

select
    user_id,
    mode,
    rank,
    expected_rank,
    track_id,
    copies,
    score,
    match_score,
    improvement_score
from ordered
where
    rank <> expected_rank
    or (mode = 'mirror' and rank <> rank_by_score)
    or copies > 1
    or score not between 0 and 1
    or match_score not between 0 and 1
    or (mode = 'mirror' and (improvement_score is not null or score <> match_score))
    or (mode = 'coach' and coalesce(improvement_score not between 0 and 1, true));

-- Coached lists that do not begin where the listener is, or that rise too early or fall again.
with

limits as (
    select
        max(value) filter (where name = 'pace') as pace,
        max(value) filter (where name = 'valence_hold') as valence_hold,
        max(value) filter (where name = 'iso_share') as iso_share
    from gold.coach_policy
),

coached as (
    select
        recommendations.user_id,
        recommendations.rank,
        recommendations.track_id,
        recommendations.valence_delta,
        lag(recommendations.valence_delta) over listening as previous_delta,
        count(*) over (partition by recommendations.user_id) as length
    from gold.recommendations as recommendations
    where recommendations.mode = 'coach'
    window listening as (
        partition by recommendations.user_id order by recommendations.rank asc
    )
),

placed as (
    select
        coached.user_id,
        coached.rank,
        coached.track_id,
        coached.valence_delta,
        coached.previous_delta,
        coached.length,
        ceil(limits.iso_share * coached.length) as start_length,
        limits.pace,
        limits.valence_hold
    from coached
    cross join limits
)

select
    user_id,
    rank,
    track_id,
    valence_delta,
    previous_delta
from placed
where
    (rank <= start_length and abs(valence_delta) > valence_hold)
    or (
        rank > start_length
        and valence_delta > 1e-9 + greatest(
            valence_hold, pace * (rank - start_length) / (length - start_length)
        )
    )
    or (previous_delta > valence_hold and valence_delta < previous_delta);

-- Coached tracks beyond a limit of the policy, measured from the tables and not from the row.
with

limits as (
    select
        max(value) filter (where name = 'pace') as pace,
        max(value) filter (where name = 'valence_drop') as valence_drop,
        max(value) filter (where name = 'valence_hold') as valence_hold,
        max(value) filter (where name = 'energy_step') as energy_step,
        max(value) filter (where name = 'tempo_change') as tempo_change,
        max(value) filter (where name = 'loudness_step') as loudness_step
    from gold.coach_policy
),

present as (
    select
        user_id,
        max(typical) filter (where feature = 'valence') as valence,
        max(typical) filter (where feature = 'energy') as energy,
        max(typical) filter (where feature = 'tempo') as tempo,
        max(typical) filter (where feature = 'loudness') as loudness
    from listening_profile()
    group by user_id
),

targets as (
    select
        user_id,
        percentile_cont(0.75) within group (order by valence) as valence
    from silver.plays
    where tempo > 0
    group by user_id
),

coached as (
    select
        recommendations.user_id,
        recommendations.track_id,
        recommendations.valence_delta,
        recommendations.energy_delta,
        recommendations.tempo_delta_pct,
        track_features.is_analysed,
        track_features.valence - present.valence as valence_step,
        track_features.energy - present.energy as energy_step,
        100 * (track_features.tempo / present.tempo - 1) as tempo_change,
        track_features.loudness - present.loudness as loudness_step,
        present.valence >= targets.valence as is_at_target
    from gold.recommendations as recommendations
    left join silver.track_features as track_features
        on recommendations.track_id = track_features.track_id
    left join present on recommendations.user_id = present.user_id
    left join targets on recommendations.user_id = targets.user_id
    where recommendations.mode = 'coach'
)

select
    coached.user_id,
    coached.track_id,
    coached.valence_delta,
    coached.energy_delta,
    coached.tempo_delta_pct,
    coached.loudness_step,
    coached.is_at_target
from coached
cross join limits
where
    not coalesce(
        coached.is_analysed
        and abs(coached.valence_step - coached.valence_delta) < 1e-9
        and abs(coached.energy_step - coached.energy_delta) < 1e-9
        and abs(coached.tempo_change - coached.tempo_delta_pct) < 1e-9
        and coached.valence_delta between -limits.valence_drop and limits.pace
        and (not coached.is_at_target or abs(coached.valence_delta) <= limits.valence_hold)
        and abs(coached.energy_delta) <= limits.energy_step
        and abs(coached.tempo_delta_pct) <= limits.tempo_change
        and abs(coached.loudness_step) <= limits.loudness_step,
        false
    );
