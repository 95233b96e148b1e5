-- What became of the rows of every imported file, and why.
-- grain: one row per import, file and reason
-- sqlfluff:dialect:postgres
create table if not exists system.import_log (
    import_id varchar,
    imported_at timestamp with time zone,
    user_id varchar,
    file varchar,
    kind varchar,
    reason varchar,
    rows bigint,
    position varchar
);
