"""Many clients at once: nobody gets another's answer, and no row is lost."""

from concurrent.futures import ThreadPoolExecutor

import adbc_driver_flightsql.dbapi as flightsql

CLIENTS = 16


def at_once(work, clients=CLIENTS):
    """What each of the clients' work returns."""
    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(work, range(clients)))


def test_everyone_gets_their_own_answers(server):
    def work(client):
        with (
            flightsql.connect(server, autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            found = []
            for round_number in range(25):
                cursor.execute(
                    "select ? as client, count(*), sum(value) from generate_series(1, ?)",
                    (client, 100 * client + round_number),
                )
                found.append(cursor.fetchall())
        return found

    for client, found in enumerate(at_once(work)):
        rows = [100 * client + round_number for round_number in range(25)]
        # Nothing has no sum.
        assert found == [[(client, n, n * (n + 1) // 2 if n else None)] for n in rows]


def test_one_connection_for_all_threads(connection):
    def work(client):
        with connection.cursor() as cursor:
            found = []
            for round_number in range(10):
                cursor.execute("select ? * 1000 + ?", (client, round_number))
                found.append(cursor.fetchone()[0])
        return found

    assert at_once(work) == [[client * 1000 + n for n in range(10)] for client in range(CLIENTS)]


def test_big_results_at_once(server):
    def work(client):
        with (
            flightsql.connect(server, autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(f"select value * {client + 1} as v from generate_series(1, 200000)")
            table = cursor.fetch_arrow_table()
            return table.num_rows, sum(table["v"].to_pylist())

    total = 200_000 * 200_001 // 2
    assert at_once(work) == [(200_000, total * (client + 1)) for client in range(CLIENTS)]


def test_writers_at_once_lose_nothing(server, query, scratch, commits):
    query("create or replace table scratch.shared (client bigint, n bigint)")

    def work(client):
        with (
            flightsql.connect(server, autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            for number in range(5):
                cursor.execute("insert into scratch.shared values (?, ?)", (client, number))
            return cursor.rowcount

    before = commits("scratch.shared")
    assert at_once(work) == [1] * CLIENTS
    assert query("select client, count(*), sum(n) from scratch.shared group by 1 order by 1") == [
        (client, 5, 10) for client in range(CLIENTS)
    ]
    assert len(commits("scratch.shared")) == len(before) + 5 * CLIENTS


def test_readers_see_whole_commits_only(server, query, scratch):
    query("create or replace table scratch.pairs (n bigint)")

    def work(client):
        with (
            flightsql.connect(server, autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            if client == 0:
                for number in range(10):
                    cursor.execute(f"insert into scratch.pairs values ({number}), ({number})")
                return set()
            seen = set()
            for _ in range(20):
                cursor.execute("select count(*) from scratch.pairs")
                seen.add(cursor.fetchone()[0])
            return seen

    seen = set().union(*at_once(work, clients=6))
    assert all(rows % 2 == 0 for rows in seen), seen
    assert query("select count(*) from scratch.pairs") == [(20,)]


def test_one_creates_the_others_are_told(server, query, scratch):
    query("drop table if exists scratch.contested")

    def work(client):
        with (
            flightsql.connect(server, autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            try:
                cursor.execute(f"create table scratch.contested as select {client} as winner")
            except flightsql.Error as error:
                return str(error)
        return None

    told = at_once(work)
    assert told.count(None) == 1
    assert all("exists already" in message for message in told if message), told
    assert query("select winner from scratch.contested") == [(told.index(None),)]


def test_sixty_four_clients(server):
    def work(client):
        with (
            flightsql.connect(server, autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            answers = []
            for number in range(5):
                cursor.execute("select ? as client, ? as number", (client, number))
                answers.append(cursor.fetchone())
            return answers

    assert at_once(work, 64) == [[(client, n) for n in range(5)] for client in range(64)]
