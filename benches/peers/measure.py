"""Runs every case through a server and beside its peer, and prints a table in Markdown. See README.md."""

import argparse
import contextlib
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

# Settings for one kind of processor would slow the peers down.
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)

from adbc_driver_flightsql import DatabaseOptions, dbapi  # noqa: E402  (after the settings)
from cases import CASES, Case, scaled  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "moodlake"
THREADS = 2
CALLS, WARM_UP = 200, 5
BIG_MESSAGES = {DatabaseOptions.WITH_MAX_MSG_SIZE.value: str(256 << 20)}


def main() -> None:
    """Both sides of each case, one after the other, on the same two cores."""
    arguments = parse_arguments()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    print("| | moodlake | peer | ratio | aim | moodlake, MB | peer, MB | data, MB | result, moodlake | result, peer |")
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    for case in CASES:
        if not arguments.cases or case.name in arguments.cases:
            print(compare(case, arguments), flush=True)
    if not arguments.cases:
        recommend(arguments)


def recommend(arguments: argparse.Namespace) -> None:
    """How long one listener waits for recommendations, on a lake that the demo has made."""
    with tempfile.TemporaryDirectory(prefix="moodlake-peers-") as folder:
        lake = pathlib.Path(folder)
        catalogue = ["--catalog", arguments.catalog] if arguments.catalog else []
        command = [arguments.moodlake, "demo", "--dir", lake, *catalogue]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with serving(arguments.moodlake, lake) as session:
            tracks = session.value("select count(*) from silver.tracks")
            print(f"\n| one listener, {tracks:,} tracks, over ADBC | p50, ms | p99, ms | aim |\n|---|---|---|---|")
            for sql in ("select * from recommend('mirror')", "select * from recommend('coach')"):
                for _ in range(WARM_UP):
                    session.seconds(sql)
                taken = sorted(1e3 * session.seconds(sql) for _ in range(CALLS))
                p50, p99 = (taken[int(part * CALLS)] for part in (0.5, 0.99))
                print(f"| `{sql}` | {p50:.1f} | {p99:.1f} | p50 ≤ 20 |", flush=True)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", CACHE / "target"))
    names = [case.name for case in CASES]
    parser.add_argument("cases", nargs="*", help=f"some of {', '.join(names)}; all if left out")
    parser.add_argument("--moodlake", type=pathlib.Path, default=target / "release" / "moodlake", help="the binary")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the rows")
    parser.add_argument("--runs", type=int, default=5, help="runs that count, after one that does not")
    parser.add_argument("--catalog", type=pathlib.Path, help="Kaggle's Spotify Tracks Dataset, for recommend")
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - set(names):
        parser.error(f"unknown case {min(unknown)!r}, expected some of {', '.join(names)}")
    if not arguments.moodlake.is_file():
        parser.error(f"{arguments.moodlake}: no such file; run cargo build --release")
    return arguments


def compare(case: Case, arguments: argparse.Namespace) -> str:
    """The row of a case."""
    with tempfile.TemporaryDirectory(prefix="moodlake-peers-") as folder:
        lake = pathlib.Path(folder)
        with serving(arguments.moodlake, lake) as session:
            data = scaled(case, arguments.scale)
            session.load(data)
        # A fresh server: what the load needed is not the case's.
        with serving(arguments.moodlake, lake) as session:
            ours = session.measure(case, arguments.runs)
        command = [sys.executable, HERE / "peer.py", case.name, lake / "gold" / "data", str(arguments.runs)]
        peer = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    ratio = statistics.median(ours["seconds"]) / statistics.median(peer["seconds"])
    cells = [
        case.title,
        seconds(ours["seconds"]),
        seconds(peer["seconds"]),
        f"{ratio:.2f}",
        f"≤ {case.limit:g}",
        *(f"{megabytes:.0f}" for megabytes in (ours["peak_mb"], peer["peak_mb"], data.nbytes / 1e6)),
        *(f"{side['quality']:.6g}" for side in (ours, peer)),
    ]
    return f"| {' | '.join(cells)} |"


def seconds(runs: list[float]) -> str:
    """The median, and the range that all runs lie in."""
    return f"{statistics.median(runs):.3g} s ({min(runs):.3g} to {max(runs):.3g})"


class Session:
    """A running server, and a connection to it."""

    def __init__(self, process: subprocess.Popen, connection: dbapi.Connection):
        self._process = process
        self._connection = connection

    def ask(self, sql: str):
        """All rows of a statement."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetch_arrow_table()

    def value(self, sql: str) -> float:
        """The only value of a statement."""
        return self.ask(sql).column(0)[0].as_py()

    def seconds(self, sql: str) -> float:
        """How long a statement takes until all its rows are here."""
        started = time.perf_counter()
        self.ask(sql)
        return time.perf_counter() - started

    def load(self, table) -> None:
        """Makes the table `data`."""
        with self._connection.cursor() as cursor:
            cursor.adbc_ingest("data", table, mode="replace")

    def measure(self, case: Case, runs: int) -> dict:
        """Seconds of each run after the first, the peak of the server's memory and what was achieved."""
        if case.before:
            self.ask(case.before)
        taken = [self.seconds(case.statement) for _ in range(runs + 1)]
        status = pathlib.Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1000
        return {"seconds": taken[1:], "peak_mb": peak, "quality": case.quality(self)}


@contextlib.contextmanager
def serving(binary: pathlib.Path, lake: pathlib.Path):
    """A server over a folder, for as long as it is needed."""
    command = [binary, "serve", "--dir", lake, "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            address = re.search(r"grpc://\S+", process.stderr.readline())[0]
            with dbapi.connect(address, autocommit=True, db_kwargs=BIG_MESSAGES) as connection:
                yield Session(process, connection)
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
