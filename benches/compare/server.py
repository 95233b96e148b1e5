"""Measures a server as a client meets it: seconds until it answers, memory while idle, and how long queries take over ADBC.

    venv=$(tests/support/venv tests/clients/requirements.txt)
    "$venv/bin/python" benches/compare/server.py --dir LAKE

LAKE is one that `moodlake demo` has made.
"""

import argparse
import os
import pathlib
import re
import statistics
import subprocess
import time

from adbc_driver_flightsql import dbapi

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "moodlake"
WARM_UP = 20
QUERIES = (
    ("select 1", 1000),
    ("select * from gold.insights", 100),
    ("select daypart, count(*), avg(valence) from silver.plays group by daypart", 100),
    ("select * from recommend('mirror')", 10),
    ("select * from recommend('coach')", 10),
)


def main() -> None:
    """Start a server on a free port, measure, end it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", CACHE / "target"))
    parser.add_argument("--moodlake", type=pathlib.Path, default=target / "release" / "moodlake", help="the binary")
    parser.add_argument("--dir", required=True, help="a lake")
    arguments = parser.parse_args()
    command = [arguments.moodlake, "serve", "--dir", arguments.dir, "--listen", "127.0.0.1:0"]
    started = time.perf_counter()
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            measure(server, started)
        finally:
            server.terminate()


def measure(server: subprocess.Popen, started: float) -> None:
    """Print the figures of a server that was just started."""
    address = re.search(r"grpc://\S+", server.stderr.readline())[0]
    with dbapi.connect(address, autocommit=True) as connection, connection.cursor() as cursor:
        milliseconds(cursor, "select 1")
        print(f"first answer after {time.perf_counter() - started:.2f} s from start")
        print(f"idle: {resident(server.pid):.0f} MB")
        print(f"\n{'p50 ms':>8}{'p95 ms':>8}")
        for sql, times in QUERIES:
            for _ in range(min(WARM_UP, times)):
                milliseconds(cursor, sql)
            taken = sorted(milliseconds(cursor, sql) for _ in range(times))
            print(f"{statistics.median(taken):8.2f}{taken[int(0.95 * times)]:8.2f}  {sql}")
    print(f"\nafter these: {resident(server.pid):.0f} MB")


def milliseconds(cursor: dbapi.Cursor, sql: str) -> float:
    """Run a query and fetch all of it."""
    started = time.perf_counter()
    cursor.execute(sql)
    cursor.fetch_arrow_table()
    return 1e3 * (time.perf_counter() - started)


def resident(process: int) -> float:
    """Return the memory of a process that is in use, in MB."""
    status = pathlib.Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1000


if __name__ == "__main__":
    main()
