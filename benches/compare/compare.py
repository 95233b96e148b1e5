"""Runs Moodlake and the Python pipeline on the same files and prints seconds and peak memory of both. See README.md."""

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from history import write_history

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "moodlake"


def main() -> None:
    """Writes the history, runs both sides in turns, prints the table."""
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="moodlake-compare-") as folder:
        scratch = pathlib.Path(folder)
        history = scratch / "history"
        write_history(history, arguments.catalog, arguments.users, arguments.plays, arguments.seed)
        size = sum(path.stat().st_size for path in history.rglob("*.json"))
        scale = f"{arguments.plays:,} plays of {arguments.users} users, {size / 1e6:,.0f} MB of JSON"
        print(f"{scale}; {os.cpu_count()} cores", flush=True)
        sides = {"moodlake": moodlake_commands(arguments, history), "python": [peer_command(arguments, history)]}
        measured = {side: [] for side in sides}
        for run in range(arguments.runs):
            for side, commands in sides.items():
                lake = scratch / f"{side}_{run}"
                measured[side].append(measure(commands, lake))
                shutil.rmtree(lake)
                seconds, megabytes = measured[side][-1]
                print(f"  {side}: {seconds:.1f} s, {megabytes:.0f} MB", flush=True)
    report(measured)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--catalog", type=pathlib.Path, required=True, help="Kaggle's Spotify Tracks Dataset, .csv or .csv.gz"
    )
    parser.add_argument("--plays", type=int, default=10_000)
    parser.add_argument("--users", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=42)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", CACHE / "target"))
    parser.add_argument("--moodlake", type=pathlib.Path, default=target / "release" / "moodlake", help="the binary")
    arguments = parser.parse_args()
    for path in (arguments.catalog, arguments.moodlake):
        if not path.is_file():
            parser.error(f"{path}: no such file")
    return arguments


def moodlake_commands(arguments: argparse.Namespace, history: pathlib.Path) -> list[list[str]]:
    """One user takes the demo, more take import and build; `{lake}` stands for the folder to write to."""
    binary, catalog = str(arguments.moodlake), str(arguments.catalog)
    if arguments.users == 1:
        user = next(history.iterdir())
        return [[binary, "demo", "--dir", "{lake}", "--catalog", catalog, "--history", str(user)]]
    return [
        [binary, "import", catalog, "--dir", "{lake}"],
        [binary, "import", str(history), "--user-from", "folder", "--dir", "{lake}"],
        [binary, "build", "--dir", "{lake}"],
    ]


def peer_command(arguments: argparse.Namespace, history: pathlib.Path) -> list[str]:
    """The Python side."""
    return [sys.executable, str(HERE / "peer.py"), str(arguments.catalog), str(history), "{lake}"]


def measure(commands: list[list[str]], lake: pathlib.Path) -> tuple[float, float]:
    """Seconds of all commands together, and the largest resident set in MB of any."""
    peak = 0.0
    started = time.monotonic()
    for command in commands:
        words = [word.replace("{lake}", str(lake)) for word in command]
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT)
            # wait4 tells the resources of this child alone.
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                output.seek(0)
                tail = output.read().decode(errors="replace")[-4000:]
                sys.exit(f"{' '.join(words)}\nended with {process.returncode}:\n{tail}")
        peak = max(peak, usage.ru_maxrss / 1024)
    return time.monotonic() - started, peak


def report(measured: dict[str, list[tuple[float, float]]]) -> None:
    """Medians and their ratios."""
    seconds, megabytes = (
        {side: statistics.median(run[figure] for run in runs) for side, runs in measured.items()} for figure in (0, 1)
    )
    print(f"\n{'':10}{'moodlake':>12}{'python':>12}{'ratio':>8}")
    for name, unit, figures in (("time", "s", seconds), ("memory", "MB", megabytes)):
        ours, theirs = figures["moodlake"], figures["python"]
        print(f"{name:10}{ours:>9.1f} {unit:2}{theirs:>9.1f} {unit:2}{ours / theirs:>8.2f}")


if __name__ == "__main__":
    main()
