-- Models that are there twice, or whose version is not in the registry.
select
    live_models.model,
    count(*) as copies
from gold.live_models
left join ml.models
    on
        live_models.model = models.model
        and live_models.version = models.version
group by live_models.model
having count(*) > 1 or count(models.version) = 0;
