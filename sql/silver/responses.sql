-- What listeners answered to recommendations; it is written by them and never rebuilt.
-- grain: one row per answer
-- sqlfluff:dialect:postgres
create table if not exists silver.responses (
    user_id varchar not null,
    track_id varchar not null,
    mode varchar,
    response varchar not null,
    responded_at timestamp with time zone,
    constraint response_is_known check (response in ('skip', 'play', 'like', 'stay', 'less'))
);
