-- Sentences that are missing, or there twice.
select
    user_id,
    subject,
    count(*) as copies
from gold.predictive_insights
group by user_id, subject
having count(*) > 1 or count(text) < count(*);
