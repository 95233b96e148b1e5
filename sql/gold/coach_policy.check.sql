-- Limits that are missing, there twice, or allow more than the product promises.
with

promised as (
    select
        limits.column1 as name,
        limits.column2 as most
    from (
        values
        ('pace', 0.15),
        ('pace_min', 0.15),
        ('pace_max', 0.15),
        ('valence_drop', 0.02),
        ('valence_hold', 0.03),
        ('energy_step', 0.15),
        ('tempo_change', 12.0),
        ('loudness_step', 4.0),
        ('match_percentile', 1.0),
        ('improvement_weight', 1.0),
        ('skip_memory', 3650.0),
        ('back_off_memory', 3650.0),
        ('session_cap', 0.25),
        ('day_cap', 0.30),
        ('iso_share', 1.0),
        ('streak_pace', 1.0)
    ) as limits
)

select
    promised.name,
    count(policy.value) as limits,
    max(policy.value) as value,
    max(promised.most) as most
from promised
left join gold.coach_policy as policy on promised.name = policy.name
group by promised.name
having
    count(policy.value) <> 1
    or max(policy.value) not between 0 and max(promised.most);
