"""Bulk loads through `adbc_ingest`: modes, targets, big and strange data, one commit each."""

import threading

import adbc_driver_flightsql
import adbc_driver_flightsql.dbapi as flightsql
import numpy
import pyarrow
import pyarrow.dataset
import pytest

TABLE = pyarrow.table({"n": [1, 2, 3], "text": ["a", None, "c"]})
ROWS = [(1, "a"), (2, None), (3, "c")]
MODES = ["create", "append", "replace", "create_append"]

# The driver itself sends no more than 16 MiB unless told to.
BIG_MESSAGES = {adbc_driver_flightsql.DatabaseOptions.WITH_MAX_MSG_SIZE.value: str(64 << 20)}


@pytest.fixture
def ingest(connection):
    """A load on a cursor of its own: a cursor keeps the target of the one before."""

    def load(table, data, **options):
        with connection.cursor() as cursor:
            return cursor.adbc_ingest(table, data, **options)

    return load


@pytest.fixture
def fresh(query, scratch):
    """The name of a table that is not there."""
    query("drop table if exists scratch.fresh")
    return "fresh"


# Modes


def test_create_makes_a_table(ingest, query, fresh, commits):
    assert ingest(fresh, TABLE, mode="create", db_schema_name="scratch") == 3
    assert query("select * from scratch.fresh order by n") == ROWS
    assert len(commits("scratch.fresh")) == 1


def test_create_refuses_what_exists(ingest, fresh, count):
    ingest(fresh, TABLE, mode="create", db_schema_name="scratch")
    with pytest.raises(flightsql.Error, match="scratch.fresh.* exists already"):
        ingest(fresh, TABLE, mode="create", db_schema_name="scratch")
    assert count("scratch.fresh") == 3


def test_create_is_the_default(ingest, fresh):
    assert ingest(fresh, TABLE, db_schema_name="scratch") == 3
    with pytest.raises(flightsql.Error, match="exists already"):
        ingest(fresh, TABLE, db_schema_name="scratch")


def test_append_needs_a_table(ingest, fresh):
    with pytest.raises(flightsql.ProgrammingError, match="scratch.fresh.* not found"):
        ingest(fresh, TABLE, mode="append", db_schema_name="scratch")


def test_append_adds_in_one_commit(ingest, fresh, query, commits):
    ingest(fresh, TABLE, mode="create", db_schema_name="scratch")
    assert ingest(fresh, TABLE, mode="append", db_schema_name="scratch") == 3
    assert query("select * from scratch.fresh order by n") == sorted(ROWS * 2, key=lambda r: r[0])
    assert len(commits("scratch.fresh")) == 2


def test_replace_takes_new_columns_in_one_commit(ingest, fresh, query, commits):
    ingest(fresh, TABLE, mode="replace", db_schema_name="scratch")
    other = pyarrow.table({"mood": ["calm"], "valence": [0.25]})
    assert ingest(fresh, other, mode="replace", db_schema_name="scratch") == 1
    assert query("select * from scratch.fresh") == [("calm", 0.25)]
    assert len(commits("scratch.fresh")) == 2
    assert query("select count(*) from scratch.fresh version as of 0") == [(3,)]


def test_create_append_does_both(ingest, fresh, query, commits):
    for _ in range(2):
        loaded = ingest(
            fresh, TABLE, mode="create_append", catalog_name="moodlake", db_schema_name="scratch"
        )
        assert loaded == 3
    assert query("select n, count(*) from scratch.fresh group by n order by n") == [
        (1, 2),
        (2, 2),
        (3, 2),
    ]
    assert len(commits("scratch.fresh")) == 2


# Targets


def test_the_default_schema_is_gold(ingest, query):
    assert ingest("loaded", TABLE, mode="replace") == 3
    assert query("select * from gold.loaded order by n") == ROWS
    assert query("select * from loaded order by n") == ROWS


def test_a_schema_that_is_not_there(ingest):
    with pytest.raises(flightsql.ProgrammingError, match="schema 'nowhere' not found"):
        ingest("loaded", TABLE, db_schema_name="nowhere")


def test_a_catalogue_that_is_not_there(ingest):
    with pytest.raises(flightsql.ProgrammingError, match="no catalogue 'elsewhere'"):
        ingest("loaded", TABLE, catalog_name="elsewhere")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("schema", ["information_schema", "system"])
def test_what_the_server_keeps_itself_is_refused(ingest, schema, mode):
    with pytest.raises(flightsql.Error, match=schema):
        ingest("tables", TABLE, mode=mode, db_schema_name=schema)


@pytest.mark.parametrize("name", ["", "../escape", "a/b", "."])
def test_a_name_that_is_no_table_is_refused(ingest, scratch, name):
    with pytest.raises(flightsql.Error):
        ingest(name, TABLE, mode="replace", db_schema_name=scratch)


def test_column_names_of_any_kind(ingest, query, scratch):
    names = ["Track Name", "select", "größe", "ms_played", 'quoted"name']
    data = pyarrow.table([pyarrow.array([n]) for n in range(len(names))], names)
    assert ingest("named", data, mode="replace", db_schema_name=scratch) == 1
    assert query('select "Track Name", "select", "größe", "quoted""name" from scratch.named') == [
        (0, 1, 2, 4)
    ]


# Temporary tables


def test_temporary_is_seen_by_its_connection_alone(server):
    cookies = {adbc_driver_flightsql.DatabaseOptions.WITH_COOKIE_MIDDLEWARE.value: "true"}
    with (
        flightsql.connect(server, cookies, autocommit=True) as mine,
        flightsql.connect(server, cookies, autocommit=True) as yours,
        mine.cursor() as cursor,
        yours.cursor() as other,
    ):
        assert cursor.adbc_ingest("passing", TABLE, temporary=True) == 3
        cursor.execute("select * from passing order by n")
        assert cursor.fetchall() == ROWS
        with pytest.raises(flightsql.ProgrammingError, match="passing.* not found"):
            other.execute("select * from passing")
    with flightsql.connect(server, cookies, autocommit=True) as later, later.cursor() as cursor:
        with pytest.raises(flightsql.ProgrammingError, match="passing.* not found"):
            cursor.execute("select * from passing")


def test_temporary_in_all_modes(server):
    cookies = {adbc_driver_flightsql.DatabaseOptions.WITH_COOKIE_MIDDLEWARE.value: "true"}
    with flightsql.connect(server, cookies, autocommit=True) as connection:

        def load(mode):
            with connection.cursor() as cursor:
                return cursor.adbc_ingest("staged", TABLE, mode=mode, temporary=True)

        def staged():
            with connection.cursor() as cursor:
                cursor.execute("select count(*) from staged")
                return cursor.fetchone()[0]

        assert load("create") == 3
        with pytest.raises(flightsql.Error, match="staged.* exists already"):
            load("create")
        assert load("append") == 3
        assert staged() == 6
        assert load("replace") == 3
        assert load("create_append") == 3
        assert staged() == 6


# Sources


@pytest.mark.parametrize(
    "data",
    [
        TABLE,
        TABLE.to_batches()[0],
        TABLE.to_reader(max_chunksize=1),
        pyarrow.dataset.dataset(TABLE),
        TABLE.to_batches(max_chunksize=2),
    ],
    ids=["table", "batch", "reader", "dataset", "batches"],
)
def test_every_source_that_adbc_takes(ingest, query, scratch, data):
    assert ingest("sourced", data, mode="replace", db_schema_name=scratch) == 3
    assert query("select * from scratch.sourced order by n") == ROWS


def test_a_reader_of_many_batches_is_one_commit(ingest, query, fresh, commits):
    schema = pyarrow.schema({"n": pyarrow.int64()})
    batches = (pyarrow.record_batch({"n": range(i * 1000, i * 1000 + 1000)}) for i in range(300))
    reader = pyarrow.RecordBatchReader.from_batches(schema, batches)
    assert ingest(fresh, reader, db_schema_name="scratch") == 300_000
    assert query("select count(*), min(n), max(n), count(distinct n) from scratch.fresh") == [
        (300_000, 0, 299_999, 300_000)
    ]
    assert len(commits("scratch.fresh")) == 1


def test_a_reader_that_breaks_half_way_leaves_nothing(ingest, query, fresh):
    def batches():
        for number in range(50):
            yield pyarrow.record_batch({"n": [number] * 1000})
        raise RuntimeError("the source has run dry")

    reader = pyarrow.RecordBatchReader.from_batches(
        pyarrow.schema({"n": pyarrow.int64()}), batches()
    )
    with pytest.raises(Exception, match="(?i)run dry|cancel"):
        ingest(fresh, reader, db_schema_name="scratch")
    with pytest.raises(flightsql.ProgrammingError, match="not found"):
        query("select * from scratch.fresh")


def test_no_rows_make_an_empty_table(ingest, query, fresh):
    nothing = TABLE.to_batches()[0].slice(0, 0)
    assert ingest(fresh, nothing, db_schema_name="scratch") == 0
    assert query("select n, text from scratch.fresh") == []
    assert ingest(fresh, nothing, mode="append", db_schema_name="scratch") == 0


def test_big_batch(server, query, scratch):
    numbers = pyarrow.record_batch({"n": numpy.arange(3_000_000)})
    assert numbers.nbytes > 20_000_000
    with flightsql.connect(server, BIG_MESSAGES, autocommit=True) as connection:
        with connection.cursor() as cursor:
            loaded = cursor.adbc_ingest("numbers", numbers, mode="replace", db_schema_name=scratch)
    assert loaded == 3_000_000
    assert query("select count(*), sum(n) from scratch.numbers") == [(3_000_000, 4_499_998_500_000)]


def test_a_big_batch_of_texts(server, query, scratch):
    texts = pyarrow.record_batch({"text": [f"{n:06d}" + "x" * 494 for n in range(60_000)]})
    assert texts.nbytes > 30_000_000
    with flightsql.connect(server, BIG_MESSAGES, autocommit=True) as connection:
        with connection.cursor() as cursor:
            assert (
                cursor.adbc_ingest("texts", texts, mode="replace", db_schema_name=scratch) == 60_000
            )
            cursor.execute("select text from scratch.texts order by text")
            assert cursor.fetch_arrow_table()["text"].combine_chunks() == texts["text"]


# Fitting a table that is there


@pytest.fixture
def strict(query, scratch):
    """A table with a column that must not be null and a check."""
    query(
        "create or replace table scratch.strict"
        " (n bigint not null, text varchar, score double, check (n < 100))"
    )
    return "strict"


def append(ingest, table, **columns):
    return ingest(table, pyarrow.table(columns), mode="append", db_schema_name="scratch")


def test_columns_are_found_by_their_names(ingest, query, strict):
    assert append(ingest, strict, score=[0.5], text=["a"], n=[1]) == 1
    assert query("select n, text, score from scratch.strict") == [(1, "a", 0.5)]


def test_columns_left_out_are_null(ingest, query, strict):
    assert append(ingest, strict, n=[1]) == 1
    assert query("select n, text, score from scratch.strict") == [(1, None, None)]


def test_numbers_are_widened(ingest, query, strict):
    data = {
        "n": pyarrow.array([1], pyarrow.int16()),
        "score": pyarrow.array([0.5], pyarrow.float32()),
    }
    assert append(ingest, strict, **data) == 1
    assert query("select n, score from scratch.strict") == [(1, 0.5)]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"n": [1], "colour": ["blue"]}, "colour"),
        ({"n": [None], "text": ["a"]}, "(?i)null"),
        ({"text": ["a"]}, "(?i)n.*null|'n'"),
        ({"n": [100]}, "n < 100"),
        ({"n": ["one"]}, "(?i)one|n.*bigint|int64"),
    ],
    ids=["unknown column", "null", "missing column", "check", "type"],
)
def test_rows_that_do_not_fit_write_nothing(ingest, count, commits, strict, columns, message):
    before = commits("scratch.strict")
    with pytest.raises(flightsql.Error, match=message):
        append(ingest, strict, **columns)
    assert count("scratch.strict") == 0
    assert commits("scratch.strict") == before


def test_a_column_twice_is_refused(ingest, scratch):
    twice = pyarrow.table([pyarrow.array([1]), pyarrow.array([2])], ["n", "n"])
    with pytest.raises(
        flightsql.Error, match="(?i)n.*(twice|duplicate|more than once)|(duplicate|ambiguous).*n"
    ):
        ingest("twice", twice, mode="replace", db_schema_name=scratch)


# Many at once


def test_loads_at_once_all_arrive(server, query, fresh):
    query("create table scratch.fresh (loader bigint, n bigint)")
    loaded = []

    def load(loader):
        data = pyarrow.table({"loader": [loader] * 100, "n": range(100)})
        with (
            flightsql.connect(server, autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            loaded.append(cursor.adbc_ingest(fresh, data, mode="append", db_schema_name="scratch"))

    threads = [threading.Thread(target=load, args=(loader,)) for loader in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loaded == [100] * 8
    assert query("select loader, count(*), sum(n) from scratch.fresh group by 1 order by 1") == [
        (loader, 100, 4950) for loader in range(8)
    ]
