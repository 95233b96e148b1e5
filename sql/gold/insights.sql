-- What the lake has to say to each listener: one sentence for each finding, with its figures.
-- grain: one row per insight_id
create or replace table gold.insights as
with

descriptive_insights as (
    select * from gold.descriptive_insights
),

diagnostic_insights as (
    select * from gold.diagnostic_insights
),

predictive_insights as (
    select * from gold.predictive_insights
),

prescriptive_insights as (
    select * from gold.prescriptive_insights
),

cognitive_insights as (
    select * from gold.cognitive_insights
),

insights as (
    select
        'descriptive' as kind,
        user_id,
        subject,
        text,
        value,
        n,
        p_value,
        ci_low,
        ci_high,
        evidence_sql
    from descriptive_insights
    union all
    select
        'diagnostic' as kind,
        user_id,
        subject,
        text,
        value,
        n,
        p_value,
        ci_low,
        ci_high,
        evidence_sql
    from diagnostic_insights
    union all
    select
        'predictive' as kind,
        user_id,
        subject,
        text,
        value,
        n,
        p_value,
        ci_low,
        ci_high,
        evidence_sql
    from predictive_insights
    union all
    select
        'prescriptive' as kind,
        user_id,
        subject,
        text,
        value,
        n,
        p_value,
        ci_low,
        ci_high,
        evidence_sql
    from prescriptive_insights
    union all
    select
        'cognitive' as kind,
        user_id,
        subject,
        text,
        value,
        n,
        p_value,
        ci_low,
        ci_high,
        evidence_sql
    from cognitive_insights
)

select
    concat(user_id, '/', kind, '/', replace(subject, ' ', '-')) as insight_id,
    user_id,
    kind,
    text,
    value,
    cast(n as bigint) as n,
    p_value,
    ci_low,
    ci_high,
    evidence_sql
from insights;
