-- One line of each kind.
create table gold_insights as
select user_id, 'descriptive' as kind, format('Most plays fall in the {}', arg_max(daypart, plays)) as text
from gold_listening_by_daypart
group by user_id
union all
select user_id, 'diagnostic', format('Odds of high energy in the morning: {:.1f}', odds_ratio)
from gold_daypart_lift
union all
select user_id, 'predictive', format('Most sessions are of mode {}', mode(mode))
from gold_listening_modes
group by user_id
union all
select user_id, 'prescriptive', format('Next: {}', track_name)
from gold_recommendations
where mode = 'coach' and rank = 1
union all
select user_id, 'cognitive', format('Because of its {}', arg_min(feature, contribution))
from gold_explanations
where mode = 'coach'
group by user_id;
