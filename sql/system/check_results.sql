-- What the checks of every build found.
-- grain: one row per build and check
-- sqlfluff:dialect:postgres
create table if not exists system.check_results (
    build_id varchar,
    checked_at timestamp with time zone,
    check_name varchar,
    severity varchar,
    offending_rows bigint,
    passed boolean,
    sample varchar,
    checked_state varchar
);
