"""Statements, as SQLAlchemy writes them and as text."""

import datetime

import pytest
import sqlalchemy
from moodlake_sqlalchemy.compiler import RESERVED_WORDS
from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Table,
    UniqueConstraint,
    exc,
    func,
    inspect,
    literal,
    select,
    text,
    types,
)


@pytest.fixture
def plays(connection, metadata):
    table = Table(
        "sa_plays",
        metadata,
        Column("play_id", types.Integer, primary_key=True, autoincrement=False),
        Column("artist", types.String(50)),
        Column("played_at", types.DateTime),
        Column("ms_played", types.Integer),
    )
    metadata.drop_all(connection)
    metadata.create_all(connection)
    days = [
        datetime.datetime(2026, 1, 1),
        datetime.datetime(2026, 1, 31),
        datetime.datetime(2026, 2, 3),
    ]
    rows = [
        (1, "Ann", days[0], 10),
        (2, "Bob", days[1], 20),
        (3, "Ann", days[2], 30),
        (4, None, None, None),
    ]
    connection.execute(
        table.insert(), [dict(zip(table.c.keys(), row, strict=True)) for row in rows]
    )
    return table


def ids(connection, query):
    return connection.execute(query).scalars().all()


# Tables


def test_tables_come_and_go(connection, plays, metadata):
    assert inspect(connection).has_table("sa_plays")
    assert not inspect(connection).get_columns("sa_plays")[0]["nullable"]
    metadata.create_all(connection)
    metadata.drop_all(connection)
    assert not inspect(connection).has_table("sa_plays")


def test_keys_are_left_out_and_told(connection, metadata):
    Table("sa_parent", metadata, Column("id", types.Integer, primary_key=True))
    Table(
        "sa_child",
        metadata,
        Column("id", types.Integer, ForeignKey("sa_parent.id"), index=True),
        Column("name", types.String, unique=True),
        UniqueConstraint("id", "name"),
        Index("sa_unique", "id", unique=True),
    )
    with pytest.warns(exc.SAWarning) as caught:
        metadata.create_all(connection)
    told = {
        str(warning.message).split(" is left out")[0]
        for warning in caught
        if warning.category is exc.SAWarning
    }
    assert told == {
        "table 'sa_child': FOREIGN KEY (id)",
        "table 'sa_child': UNIQUE (name)",
        "table 'sa_child': UNIQUE (id, name)",
        "table 'sa_child': UNIQUE INDEX (id)",
    }
    assert inspect(connection).get_indexes("sa_child") == []


def test_checks_are_kept(connection, metadata):
    table = Table(
        "sa_checked", metadata, Column("n", types.Integer, sqlalchemy.CheckConstraint("n > 0"))
    )
    metadata.create_all(connection)
    with pytest.raises(exc.IntegrityError, match="n > 0"):
        connection.execute(table.insert(), {"n": 0})


def test_a_default_of_the_server_is_refused(connection, metadata):
    Table("sa_defaulted", metadata, Column("n", types.Integer, server_default="5"))
    with pytest.raises(exc.DBAPIError, match="DEFAULT"):
        metadata.create_all(connection)


def test_partitions(connection, metadata):
    columns = [Column("user_id", types.String), Column("n", types.Integer)]
    Table("sa_parted", metadata, *columns, info={"partitioned_by": ["user_id"]})
    metadata.create_all(connection)
    history = connection.execute(text("describe history sa_parted")).mappings().one()
    assert "user_id" in str(dict(history))


def test_a_temporary_table_is_the_connections_own(engine):
    metadata = sqlalchemy.MetaData()
    table = Table("sa_passing", metadata, Column("n", types.Integer), prefixes=["TEMPORARY"])
    with engine.connect() as connection:
        table.create(connection, checkfirst=False)
        connection.execute(table.insert(), [{"n": 1}, {"n": 2}])
        assert connection.scalar(select(func.sum(table.c.n))) == 3
        with engine.connect() as other, pytest.raises(exc.ProgrammingError, match="sa_passing"):
            other.execute(select(table))
        table.drop(connection, checkfirst=False)


# Names


@pytest.mark.parametrize("word", sorted(RESERVED_WORDS))
def test_reserved_words_are_names(connection, word):
    query = select(literal(7).label(word)).subquery(word)
    column = query.c[word]
    query = select(column).where(column + 1 > column).group_by(column).order_by(column)
    assert connection.execute(query).one()._mapping == {word: 7}


def test_names_keep_their_case(connection, metadata):
    table = Table(
        "Sa_Mixed",
        metadata,
        Column("Id", types.Integer),
        Column("per%cent", types.Integer),
        Column("a?b", types.Integer),
    )
    metadata.create_all(connection)
    connection.execute(table.insert(), {"Id": 1, "per%cent": 2, "a?b": 3})
    assert connection.execute(select(table)).one()._mapping == {"Id": 1, "per%cent": 2, "a?b": 3}
    assert inspect(connection).has_table("Sa_Mixed")
    assert not inspect(connection).has_table("sa_mixed")


# Changes


def test_counts_of_rows(connection, plays):
    assert connection.execute(plays.insert(), {"play_id": 5}).rowcount == 1
    assert connection.execute(plays.insert(), [{"play_id": 6}, {"play_id": 7}]).rowcount == 2
    assert connection.execute(plays.delete().where(plays.c.play_id >= 5)).rowcount == 3
    many = plays.delete().where(plays.c.play_id == sqlalchemy.bindparam("one"))
    assert connection.execute(many, [{"one": 1}, {"one": 2}, {"one": 99}]).rowcount == 2
    assert ids(connection, select(plays.c.play_id).order_by(plays.c.play_id)) == [3, 4]


def test_a_change_gives_no_rows(connection, plays):
    assert not connection.execute(plays.insert(), {"play_id": 5}).returns_rows
    assert not connection.execute(text("delete from sa_plays where play_id = 5")).returns_rows


def test_insert_of_a_query_and_of_many_values(connection, plays):
    connection.execute(plays.insert().values([{"play_id": 5}, {"play_id": 6}]))
    early = select(plays.c.play_id + 10, plays.c.artist).where(plays.c.play_id < 3).cte("early")
    connection.execute(plays.insert().from_select(["play_id", "artist"], select(early)))
    assert ids(connection, select(plays.c.play_id).order_by(plays.c.play_id)) == [
        1,
        2,
        3,
        4,
        5,
        6,
        11,
        12,
    ]


def test_merge_and_overwrite_as_text(connection, plays):
    connection.execute(
        text(
            "merge into sa_plays as t using (select :id as play_id, :artist as artist) as s on t.play_id = s.play_id"
            " when matched then update set artist = s.artist when not matched then insert (play_id) values (s.play_id)"
        ),
        {"id": 2, "artist": "Eve"},
    )
    assert connection.scalar(select(plays.c.artist).where(plays.c.play_id == 2)) == "Eve"
    connection.execute(text("insert overwrite sa_plays select * from sa_plays where play_id = 1"))
    assert ids(connection, select(plays.c.play_id)) == [1]


# Queries


@pytest.mark.parametrize(
    ("limit", "offset", "expected"),
    [(2, None, [1, 2]), (None, 3, [4]), (2, 1, [2, 3]), (0, None, [])],
)
def test_limit_and_offset(connection, plays, limit, offset, expected):
    query = select(plays.c.play_id).order_by(plays.c.play_id).limit(limit).offset(offset)
    assert ids(connection, query) == expected


def test_empty_and_long_lists(connection, plays):
    query = select(plays.c.play_id).order_by(plays.c.play_id)
    assert ids(connection, query.where(plays.c.play_id.in_([]))) == []
    assert ids(connection, query.where(plays.c.play_id.not_in([]))) == [1, 2, 3, 4]
    assert ids(connection, query.where(plays.c.play_id.in_(range(2, 2000)))) == [2, 3, 4]


def test_ctes_windows_and_filters(connection, plays):
    by_artist = (
        select(plays.c.artist, func.sum(plays.c.ms_played).label("total"))
        .where(plays.c.artist.is_not(None))
        .group_by(plays.c.artist)
        .cte("by_artist")
    )
    place = func.row_number().over(order_by=by_artist.c.total.desc())
    assert connection.execute(select(by_artist.c.artist, place).order_by(place)).all() == [
        ("Ann", 1),
        ("Bob", 2),
    ]
    running = func.sum(plays.c.ms_played).over(
        partition_by=plays.c.artist, order_by=plays.c.play_id
    )
    query = (
        select(plays.c.play_id, running).where(plays.c.artist == "Ann").order_by(plays.c.play_id)
    )
    assert connection.execute(query).all() == [(1, 10), (3, 40)]
    assert connection.scalar(select(func.count().filter(plays.c.ms_played > 10))) == 2


def test_times_are_truncated(connection, plays):
    month = func.date_trunc("month", plays.c.played_at, type_=types.DateTime).label("month")
    query = select(month, func.count()).where(month.is_not(None)).group_by(month).order_by(month)
    assert connection.execute(query).all() == [
        (datetime.datetime(2026, 1, 1), 2),
        (datetime.datetime(2026, 2, 1), 1),
    ]
    late = plays.c.played_at + datetime.timedelta(days=31) > datetime.datetime(2026, 3, 1)
    assert ids(connection, select(plays.c.play_id).where(late).order_by(plays.c.play_id)) == [2, 3]


def test_patterns(connection):
    def holds(condition):
        return connection.scalar(select(condition))

    assert holds(literal("50%").endswith("0%", autoescape=True))
    assert not holds(literal("500").endswith("0%", autoescape=True))
    assert holds(literal("a/b").contains("/", autoescape=True))
    assert holds(literal("a_b").like("a#_b", escape="#"))
    assert holds(literal("a\\#b").like("a\\##_", escape="#"))
    assert not holds(literal("axb").like("a#_b", escape="#"))
    assert holds(literal("Ann").ilike("aN%"))
    assert holds(literal("Ann").not_ilike("bob"))
    assert holds(literal("Ann").regexp_match("^a", flags="i"))
    assert not holds(literal("Ann").regexp_match("^a"))


def test_a_table_function(connection):
    query = text("select sum(value) from generate_series(:first, :last)")
    assert connection.execute(query, {"first": 1, "last": 10}).scalar() == 55
