-- What the coach may do: hard limits that recommend('coach') reads when it runs.
-- grain: one row per name
create or replace table gold.coach_policy as
with

-- Product choices, not science: small against the spread of one listener's own sessions. A limit
-- that is missing or null allows nothing.
policy as (
    select
        limits.column1 as name,
        cast(limits.column2 as double) as value,
        limits.column3 as unit,
        limits.column4 as description
    from (
        values
        (
            'pace', 0.10, 'valence',
            'Largest step up in valence from where the listener is, if a call names no other'
        ),
        ('pace_min', 0.05, 'valence', 'Smallest pace that a call may ask for'),
        ('pace_max', 0.15, 'valence', 'Largest pace that a call may ask for, and of any step'),
        ('valence_drop', 0.02, 'valence', 'Largest step down in valence'),
        (
            'valence_hold', 0.03, 'valence',
            'Largest step either way for a listener at their target, or who asked to stay'
        ),
        ('energy_step', 0.15, 'energy', 'Largest difference in energy, either way'),
        (
            'tempo_change', 12, '% of the present tempo',
            'Largest difference in tempo, either way; half and double time count as different'
        ),
        ('loudness_step', 4, 'dB', 'Largest difference in loudness, either way'),
        (
            'match_percentile', 0.40, 'share of the catalogue',
            'A track must match the listener at least as well as this share of the tracks there are'
        ),
        (
            'improvement_weight', 0.40, 'share of the score',
            'What improvement_score counts for in score; match_score counts for the rest'
        ),
        (
            'skip_memory', 30, 'days',
            'A track skipped in this time before the last play, or after it, is left out'
        ),
        (
            'back_off_memory', 7, 'days',
            'Answers in this time before the last play, or after it, slow the coach down: one skip '
            || 'halves the pace; two in a row, a wish to stay, or a skip after it also hold the '
            || 'step at valence_hold'
        ),
        (
            'session_cap', 0.25, 'valence',
            'How far the last session may have moved the typical valence, the next step included'
        ),
        (
            'day_cap', 0.30, 'valence',
            'How far the date of the last play may have moved it, the next step included'
        ),
        (
            'iso_share', 0.25, 'share of the list',
            'The part of a list that comes first and stays within valence_hold; what follows rises '
            || 'in equal parts to the step'
        ),
        (
            'streak_pace', 0.50, 'share of the pace',
            'What the pace is multiplied by after a streak: three of the last five days more than '
            || 'one robust deviation below the usual of ninety, days of at least ten plays'
        )
    ) as limits
)

select
    name,
    value,
    unit,
    description
from policy;
