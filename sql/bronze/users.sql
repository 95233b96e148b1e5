-- The time zone that each import named for a listener; the newest holds.
-- grain: one row per import that names a zone
-- source: `moodlake import --user NAME --timezone TZ`
-- sqlfluff:dialect:postgres
create table if not exists bronze.users (
    user_id varchar,
    timezone varchar,
    _ingested_at timestamp with time zone
);
