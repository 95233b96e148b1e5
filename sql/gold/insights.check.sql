-- Insights that are there twice, say nothing or cannot be looked up.
select
    insight_id,
    count(*) as copies
from gold.insights
group by insight_id
having
    count(*) > 1
    or count(text) < count(*)
    or count(evidence_sql) < count(*)
    or insight_id is null;

-- Kinds that nobody asked for, and intervals that do not hold their figure.
select
    insight_id,
    kind,
    value,
    ci_low,
    ci_high,
    p_value
from gold.insights
where
    kind not in ('descriptive', 'diagnostic', 'predictive', 'prescriptive', 'cognitive')
    or value < ci_low - 1e-9
    or value > ci_high + 1e-9
    or p_value not between 0 and 1;

-- Listeners with 1,000 plays who miss a kind.
select
    coverage.user_id,
    count(distinct insights.kind) as kinds
from gold.coverage
left join gold.insights on coverage.user_id = insights.user_id
where coverage.plays >= 1000
group by coverage.user_id
having count(distinct insights.kind) < 5;
