-- What listeners answered to recommendations; it is written by them and never rebuilt.
-- grain: one row per answer
-- sqlfluff:dialect:postgres
create table if not exists silver.responses (
    user_id varchar,
    track_id varchar,
    mode varchar,
    response varchar,
    responded_at timestamp with time zone
);
