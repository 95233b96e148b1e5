-- Which version of each model answers: the newest not dropped, or the champion chosen since.
-- grain: one row per model
create or replace table gold.live_models as
with

models as (
    select * from ml.models
),

aliases as (
    select * from ml.aliases
),

-- Dropping a version adds a second row with that status.
versions as (
    select
        model,
        version,
        max(classes) as classes,
        max(created_at) as created_at
    from models
    group by model, version
    having count(*) filter (where status = 'dropped') = 0
),

-- Of several rows for one alias the newest holds.
champions as (
    select
        model,
        version,
        set_at,
        row_number() over (partition by model order by set_at desc, version desc) as place
    from aliases
    where alias = 'champion'
),

newest as (
    select
        model,
        -- Numbers rise with time, and what was dropped is not here.
        max(created_at) as created_at
    from versions
    group by model
),

ranked as (
    select
        versions.model,
        versions.version,
        versions.classes,
        row_number() over (
            partition by versions.model
            order by champions.version is not null desc, versions.version desc
        ) as place
    from versions
    inner join newest on versions.model = newest.model
    left join champions
        on
            versions.model = champions.model
            and versions.version = champions.version
            and champions.place = 1
            and newest.created_at < champions.set_at
)

select
    model,
    version,
    -- `classes` is a list as JSON; clusters, and what could not be trained, have none.
    cast(array_length(string_to_array(nullif(classes, '[]'), '","')) as bigint) as n_classes
from ranked
where place = 1;
