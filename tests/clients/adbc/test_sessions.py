"""Sessions: what a connection can set for itself, and transactions, which there are none of."""

import json
import warnings

import adbc_driver_flightsql
import adbc_driver_flightsql.dbapi as flightsql
import pytest

SESSION_OPTIONS = adbc_driver_flightsql.ConnectionOptions.OPTION_SESSION_OPTIONS.value

# A server knows a client without a user by its cookie, which the driver keeps only when told to.
COOKIES = {adbc_driver_flightsql.DatabaseOptions.WITH_COOKIE_MIDDLEWARE.value: "true"}


def connect(server, **options):
    return flightsql.connect(server, COOKIES, autocommit=True, **options)


@pytest.fixture
def session(server):
    with connect(server) as connection:
        yield connection


def rows(connection, sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


@pytest.fixture(scope="module", autouse=True)
def tables(server):
    """One name in two schemas."""
    with flightsql.connect(server, autocommit=True) as connection:
        for schema in ("gold", "silver"):
            rows(
                connection,
                f"create or replace table {schema}.whereabouts as select '{schema}' as here",
            )


# Catalogue and schema


def test_a_connection_begins_in_gold(connection):
    assert connection.adbc_current_catalog == "moodlake"
    assert connection.adbc_current_db_schema == "gold"
    assert rows(connection, "select here from whereabouts") == [("gold",)]


def test_the_schema_can_be_set(session):
    session.adbc_current_db_schema = "silver"
    assert session.adbc_current_db_schema == "silver"
    assert rows(session, "select here from whereabouts") == [("silver",)]
    assert rows(session, "select here from gold.whereabouts") == [("gold",)]
    session.adbc_current_db_schema = "gold"
    assert rows(session, "select here from whereabouts") == [("gold",)]


def test_the_schema_is_where_tables_are_made(session):
    session.adbc_current_db_schema = "silver"
    rows(session, "create or replace table made_here as select 1 as n")
    assert rows(session, "select n from silver.made_here") == [(1,)]
    rows(session, "drop table made_here")
    with pytest.raises(flightsql.ProgrammingError, match="not found"):
        rows(session, "select n from silver.made_here")


def test_the_schema_is_one_connections_alone(session, server):
    session.adbc_current_db_schema = "silver"
    with connect(server) as other:
        assert other.adbc_current_db_schema == "gold"
        assert rows(other, "select here from whereabouts") == [("gold",)]


def test_the_schema_can_be_given_at_connect(server):
    with connect(server, conn_kwargs={"adbc.connection.db_schema": "silver"}) as connection:
        assert connection.adbc_current_db_schema == "silver"
        assert rows(connection, "select here from whereabouts") == [("silver",)]


@pytest.mark.parametrize("name", ["nowhere", "", "gold.silver"])
def test_a_schema_that_is_not_there(session, name):
    with pytest.raises(flightsql.ProgrammingError, match="schema"):
        session.adbc_current_db_schema = name
    assert session.adbc_current_db_schema == "gold"
    assert rows(session, "select here from whereabouts") == [("gold",)]


def test_the_only_catalogue(session):
    session.adbc_current_catalog = "moodlake"
    assert session.adbc_current_catalog == "moodlake"
    with pytest.raises(flightsql.ProgrammingError, match="catalog"):
        session.adbc_current_catalog = "elsewhere"
    assert session.adbc_current_catalog == "moodlake"


def test_without_a_cookie_nobody_else_is_moved(connection, server):
    try:
        connection.adbc_current_db_schema = "silver"
    except flightsql.Error as refused:
        assert "schema" in str(refused)
    with flightsql.connect(server, autocommit=True) as other:
        assert other.adbc_current_db_schema == "gold"
        assert rows(other, "select here from whereabouts") == [("gold",)]


# Other options


def test_all_options_of_a_session(session):
    session.adbc_current_db_schema = "silver"
    options = json.loads(session.adbc_connection.get_option(SESSION_OPTIONS))
    assert options["catalog"] == "moodlake"
    assert options["schema"] == "silver"


def test_an_unknown_option_is_refused(session):
    option = adbc_driver_flightsql.ConnectionOptions.OPTION_SESSION_OPTION_PREFIX.value + "colour"
    with pytest.raises(flightsql.ProgrammingError, match="colour"):
        session.adbc_connection.set_options(**{option: "blue"})


def test_time_zone(session):
    option = (
        adbc_driver_flightsql.ConnectionOptions.OPTION_SESSION_OPTION_PREFIX.value + "time_zone"
    )
    sql = "select cast(to_timestamp('2026-07-01T12:00:00Z') as timestamp with time zone) as t"
    assert str(rows(session, sql)[0][0].tzinfo) == "UTC"
    session.adbc_connection.set_options(**{option: "Europe/Berlin"})
    assert session.adbc_connection.get_option(option) == "Europe/Berlin"
    assert str(rows(session, sql)[0][0].tzinfo) == "Europe/Berlin"
    with pytest.raises(flightsql.ProgrammingError, match="time_zone"):
        session.adbc_connection.set_options(**{option: "Europe/Nowhere"})


def test_set_statement(session, server):
    rows(session, "set time zone 'Europe/Berlin'")
    assert rows(session, "show time zone")[0][-1] == "Europe/Berlin"
    rows(session, "set schema = silver")
    assert session.adbc_current_db_schema == "silver"
    with connect(server) as other:
        assert rows(other, "show time zone")[0][-1] == "UTC"
        assert other.adbc_current_db_schema == "gold"


@pytest.mark.parametrize(
    "setting",
    [
        "datafusion.runtime.memory_limit = '1T'",
        "datafusion.runtime.temp_directory = '/tmp'",
        "datafusion.execution.batch_size = 1",
    ],
)
def test_what_is_the_servers_own_cannot_be_set(session, setting):
    with pytest.raises(flightsql.Error, match="(?i)set"):
        rows(session, f"set {setting}")


# Ends


def test_a_closed_connection_is_closed(server):
    connection = connect(server)
    cursor = connection.cursor()
    cursor.execute("select 1")
    connection.close()
    with pytest.raises(Exception, match="(?i)closed|INVALID_STATE"):
        cursor.execute("select 1")


def test_connecting_again_and_again(server):
    for number in range(50):
        with connect(server) as connection:
            assert rows(connection, f"select {number}") == [(number,)]


@pytest.mark.filterwarnings("ignore:Cannot disable autocommit")
def test_a_clone_is_a_connection_of_its_own(session):
    session.adbc_current_db_schema = "silver"
    with session.adbc_clone() as clone:
        assert rows(clone, "select here from gold.whereabouts") == [("gold",)]
    assert rows(session, "select here from whereabouts") == [("silver",)]


# Transactions


def test_transactions_are_refused_and_autocommit_works(server):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with flightsql.connect(server) as connection:
            assert any("autocommit" in str(warning.message) for warning in caught)
            rows(connection, "create or replace table gold.committed as select 1 as n")
            connection.commit()
            connection.rollback()
    with flightsql.connect(server, autocommit=True) as other:
        assert rows(other, "select count(*) from gold.committed") == [(1,)]
        with pytest.raises(flightsql.NotSupportedError):
            other.adbc_connection.set_autocommit(False)


@pytest.mark.parametrize("sql", ["begin", "start transaction", "commit", "rollback"])
def test_transaction_statements_say_what_there_is_instead(connection, sql):
    errors = (flightsql.NotSupportedError, flightsql.ProgrammingError)
    with pytest.raises(errors, match="each statement is one atomic commit"):
        rows(connection, sql)
