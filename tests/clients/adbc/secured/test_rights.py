"""Who sees and does what: roles, proxies, grants, row policies, masks, and the audit of it."""

import adbc_driver_flightsql.dbapi as flightsql
import pyarrow
import pytest
from people import USER_HEADER, USERS, denied

# Listeners


LISTENER_QUERIES = [
    ("select count(*), sum(plays) from gold.listens", [(2, 3)]),
    ("select track from gold.listens where plays > 0 order by 1", [("a",), ("b",)]),
    ("select track from gold.listens where user_id = 'leo' or true order by 1", [("a",), ("b",)]),
    ("select count(*) from gold.all_listens", [(2,)]),
    (
        "select count(*) from (select * from gold.listens union all select * from gold.listens)",
        [(4,)],
    ),
    ("select count(*) from gold.listens a cross join gold.listens b", [(4,)]),
    (
        "select count(*) from gold.people"
        " where exists (select 1 from gold.listens where plays = 40)",
        [(0,)],
    ),
    ("select (select max(plays) from gold.listens)", [(2,)]),
    ("with l as (select * from gold.listens) select max(plays) from l", [(2,)]),
    ("select max(plays) from gold.listens version as of 1", [(2,)]),
    ("select max(user_id), min(user_id) from gold.listens", [("lea", "lea")]),
    ("select sum(plays) over () from gold.listens limit 1", [(3,)]),
]


@pytest.mark.parametrize(
    ("sql", "expected"), LISTENER_QUERIES, ids=[sql for sql, _ in LISTENER_QUERIES]
)
def test_a_listener_sees_own_rows(ask, sql, expected):
    assert ask("lea", sql) == expected


def test_each_listener_sees_their_own(ask):
    assert ask("leo", "select track, plays from gold.listens") == [("c", 40)]
    assert ask("ada", "select count(*) from gold.listens") == [(3,)]


def test_a_parameter_opens_no_door(ask):
    assert ask("lea", "select count(*) from gold.listens where user_id = ?", ("leo",)) == [(0,)]


def test_an_explained_plan_tells_nothing(ask):
    plan = str(ask("lea", "explain analyze select * from gold.listens where plays = 40"))
    assert "'c'" not in plan


def test_a_table_without_an_owner_is_not_a_listeners(ask):
    assert "GRANT SELECT ON gold.notices TO lea" in denied(ask, "lea", "select * from gold.notices")


@pytest.mark.parametrize(
    "sql",
    [
        "insert into gold.listens values ('lea', 'z', 1)",
        "insert into gold.listens values ('leo', 'z', 1)",
        "delete from gold.listens",
        "drop table gold.listens",
        "create table gold.mine (n bigint)",
        "create or replace view gold.all_listens as select 1 as n",
        "create schema lounge",
        "grant select on gold.notices to lea",
        "drop view gold.all_listens",
    ],
)
def test_a_listener_changes_nothing(ask, sql):
    denied(ask, "lea", sql)
    assert ask("ada", "select count(*) from gold.listens") == [(3,)]


@pytest.mark.parametrize("mode", ["create", "append", "replace", "create_append"])
def test_a_listener_loads_nothing(connect, ask, mode):
    def load():
        data = pyarrow.table({"user_id": ["lea"], "track": ["z"], "plays": [9]})
        with connect("lea") as connection, connection.cursor() as cursor:
            cursor.adbc_ingest("listens", data, mode=mode, db_schema_name="gold")

    if mode == "create":
        with pytest.raises(flightsql.Error):
            load()
    else:
        denied(load)
    assert ask("ada", "select count(*) from gold.listens") == [(3,)]


# Analysts


def test_an_analyst_reads_all(ask):
    assert ask("anna", "select count(*) from gold.listens") == [(3,)]
    assert ask("anna", "select count(*) from gold.notices") == [(2,)]


def test_an_analyst_writes_in_own_schemas_only(ask):
    ask("anna", "create schema workshop")
    ask("anna", "create table workshop.copies as select * from gold.listens")
    assert ask("anna", "select count(*) from workshop.copies") == [(3,)]
    denied(ask, "anna", "insert into gold.notices values (3, 'x')")
    denied(ask, "anna", "create table gold.mine (n bigint)")
    ask("anna", "drop table workshop.copies")


def test_what_others_keep_is_not_listed_for_a_listener(ask, connect):
    ask("anna", "create schema if not exists private_corner")
    ask("anna", "create or replace table private_corner.thoughts (user_id varchar)")
    denied(ask, "lea", "select * from private_corner.thoughts")
    with connect("lea") as connection:
        found = connection.adbc_get_objects(depth="tables").read_all().to_pylist()
    schemas = {schema["db_schema_name"] for schema in found[0]["catalog_db_schemas"]}
    assert "gold" in schemas
    assert "private_corner" not in schemas


@pytest.mark.parametrize("name", ["anna", "lea", "superset"])
@pytest.mark.parametrize(
    "sql",
    [
        "select * from tracks_csv('/etc/passwd')",
        "select * from spotify_history('/etc')",
        "create external table t stored as csv location '/etc/passwd'",
        "copy (select 1) to '/tmp/written.csv'",
    ],
)
def test_nobody_but_admins_names_a_path(ask, name, sql):
    with pytest.raises(flightsql.Error) as caught:
        ask(name, sql)
    assert "root:" not in str(caught.value)


# Proxies


def test_a_proxy_speaks_for_a_listener(ask):
    for reader, expected in [("lea", [(2, 3)]), ("leo", [(1, 40)])]:
        headers = {USER_HEADER: reader}
        sql = "select count(*), sum(plays) from gold.listens"
        assert ask("superset", sql, headers=headers) == expected
        assert ask("superset", "select current_user()", headers=headers) == [(reader,)]


def test_a_proxy_speaks_for_an_analyst(ask):
    headers = {USER_HEADER: "anna"}
    assert ask("superset", "select count(*) from gold.listens", headers=headers) == [(3,)]


def test_a_proxy_by_itself_reads_no_table(ask):
    denied(ask, "superset", "select * from gold.listens")
    denied(ask, "superset", "select * from gold.notices")


@pytest.mark.parametrize("reader", ["ada", "superset", "nobody", "lea,leo"])
def test_a_proxy_does_not_speak_for_everybody(ask, reader):
    denied(ask, "superset", "select 1", headers={USER_HEADER: reader})


@pytest.mark.parametrize("name", ["lea", "anna", "ada"])
def test_nobody_else_speaks_for_others(ask, name):
    denied(ask, name, "select count(*) from gold.listens", headers={USER_HEADER: "leo"})


# Grants, policies and masks


@pytest.mark.parametrize("to", ["lea", "listener"])
def test_grant_and_revoke(ask, to):
    sql = "select count(*) from gold.notices"
    denied(ask, "lea", sql)
    ask("ada", f"grant select on gold.notices to {to}")
    assert ask("lea", sql) == [(2,)]
    denied(ask, "lea", "insert into gold.notices values (3, 'x')")
    ask("ada", f"revoke select on gold.notices from {to}")
    denied(ask, "lea", sql)


def test_grant_to_write(ask):
    ask("ada", "create or replace table gold.board (user_id varchar, text varchar)")
    ask("ada", "grant insert on gold.board to leo")
    ask("leo", "insert into gold.board values ('leo', 'hello')")
    denied(ask, "lea", "insert into gold.board values ('lea', 'hello')")
    assert ask("leo", "select text from gold.board") == [("hello",)]


def test_grant_on_a_schema(ask):
    ask("ada", "create schema if not exists shared")
    ask("ada", "create or replace table shared.tips (text varchar)")
    ask("ada", "insert into shared.tips values ('listen')")
    denied(ask, "lea", "select text from shared.tips")
    ask("ada", "grant select on schema shared to lea")
    assert ask("lea", "select text from shared.tips") == [("listen",)]
    denied(ask, "leo", "select text from shared.tips")
    ask("ada", "revoke select on schema shared from lea")
    denied(ask, "lea", "select text from shared.tips")


def test_only_admins_grant(ask):
    for name in ("anna", "lea", "superset"):
        denied(ask, name, "grant select on gold.notices to lea")


def test_a_row_policy_binds_analysts_too(ask):
    ask("ada", "create row policy own_rows on gold.listens using (user_id = current_user())")
    try:
        assert ask("anna", "select count(*) from gold.listens") == [(0,)]
        assert ask("anna", "select count(*) from gold.all_listens") == [(0,)]
        assert ask("lea", "select count(*) from gold.listens") == [(2,)]
        assert ask("ada", "select count(*) from gold.listens") == [(3,)]
        denied(ask, "anna", "drop row policy own_rows on gold.listens")
    finally:
        ask("ada", "drop row policy own_rows on gold.listens")
    assert ask("anna", "select count(*) from gold.listens") == [(3,)]


def test_a_row_policy_of_another_condition(ask):
    ask("ada", "grant select on gold.notices to lea")
    ask("ada", "create row policy public_only on gold.notices using (text <> 'secret')")
    try:
        assert ask("lea", "select text from gold.notices") == [("public",)]
        assert ask("lea", "select count(*) from gold.notices where text = 'secret'") == [(0,)]
    finally:
        ask("ada", "drop row policy public_only on gold.notices")
        ask("ada", "revoke select on gold.notices from lea")


def test_a_mask_hides_a_column(ask):
    ask("ada", "create mask hidden_email on gold.people (email) using ('hidden')")
    try:
        assert ask("anna", "select user_id, email from gold.people order by 1") == [
            ("lea", "hidden"),
            ("leo", "hidden"),
        ]
        assert ask("anna", "select count(*) from gold.people where email like '%example%'") == [
            (0,)
        ]
        assert ask("ada", "select email from gold.people order by 1") == [
            ("lea@example.org",),
            ("leo@example.org",),
        ]
    finally:
        ask("ada", "drop mask hidden_email on gold.people")
    assert ask("anna", "select count(*) from gold.people where email like '%example%'") == [(2,)]


def test_a_mask_of_a_computed_value(ask):
    ask("ada", "create mask initial on gold.people (city) using (left(city, 1))")
    try:
        assert ask("anna", "select city from gold.people order by 1") == [("B",), ("R",)]
    finally:
        ask("ada", "drop mask initial on gold.people")


def test_the_artifact_of_a_model_is_the_admins(ask):
    ask(
        "ada",
        "create or replace model secured options (type = 'kmeans', k = 2) as"
        " select cast(value as double) as x from generate_series(1, 20)",
    )
    sql = "select count(*), count(artifact) from ml.models where model = 'secured'"
    assert ask("ada", sql) == [(1, 1)]
    assert ask("anna", sql) == [(1, 0)]


# Temporary tables


def test_a_temporary_table_is_its_makers_alone(connect):
    with connect("anna") as mine, mine.cursor() as cursor:
        assert cursor.adbc_ingest("passing", pyarrow.table({"n": [1, 2]}), temporary=True) == 2
        cursor.execute("select sum(n) from passing")
        assert cursor.fetchall() == [(3,)]
        for name in ("lea", "ada", "anna"):
            with connect(name) as other, other.cursor() as stranger:
                with pytest.raises(flightsql.ProgrammingError, match="not found"):
                    stranger.execute("select sum(n) from passing")


# What is written down


def test_the_audit_keeps_both_names_and_no_values(ask):
    ask("superset", "select 'lavender', count(*) from gold.listens", headers={USER_HEADER: "lea"})
    with pytest.raises(flightsql.Error):
        ask("leo", "select 'mint' from gold.notices")
    audited = [str(row) for row in ask("ada", "select * from system.audit")]
    assert any("superset" in row and "lea" in row and "gold.listens" in row for row in audited)
    assert any("leo" in row and "gold.notices" in row for row in audited)
    secrets = ["lavender", "mint", *(password for _, password in USERS.values())]
    assert not any(secret in row for secret in secrets for row in audited)
    for name in ("anna", "lea", "superset"):
        denied(ask, name, "select * from system.audit")
