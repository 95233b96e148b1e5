-- Which version of each model answers: the newest that was not dropped.
-- grain: one row per model
create or replace table gold.live_models as
with

models as (
    select * from ml.models
),

-- Dropping a version adds a second row with that status.
versions as (
    select
        model,
        version,
        max(classes) as classes
    from models
    group by model, version
    having count(*) filter (where status = 'dropped') = 0
),

ranked as (
    select
        model,
        version,
        classes,
        row_number() over (partition by model order by version desc) as place
    from versions
)

select
    model,
    version,
    -- `classes` is a list as JSON; clusters, and what could not be trained, have none.
    cast(array_length(string_to_array(nullif(classes, '[]'), '","')) as bigint) as n_classes
from ranked
where place = 1;
