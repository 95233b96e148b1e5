"""Writes listening histories in the shape of Spotify's extended export, over the tracks of a catalogue.

Seeded: the same arguments give the same bytes. One folder a user, one file for each 12,000 plays, as exports come.
"""

import csv
import datetime
import gzip
import json
import pathlib

import numpy as np

PLAYS_PER_FILE = 12_000
YEAR_SECONDS = 365 * 24 * 3600
FIRST_DAY = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)


def read_tracks(catalog: pathlib.Path) -> list[dict]:
    """The distinct tracks of a catalogue that have a name."""
    opener = gzip.open if catalog.suffix == ".gz" else open
    with opener(catalog, "rt", encoding="utf-8", newline="") as file:
        tracks = {row["track_id"]: row for row in csv.DictReader(file) if row["track_name"]}
    return list(tracks.values())


def write_history(folder: pathlib.Path, catalog: pathlib.Path, users: int, plays: int, seed: int) -> None:
    """Writes `plays` plays in all, shared evenly by `users` users, each over one year."""
    tracks = read_tracks(catalog)
    for user in range(users):
        share = plays // users + (user < plays % users)
        random = np.random.default_rng([seed, user])
        user_folder = folder / f"user_{user + 1:03}"
        user_folder.mkdir(parents=True)
        rows = user_plays(tracks, share, random)
        for number, start in enumerate(range(0, share, PLAYS_PER_FILE)):
            path = user_folder / f"Streaming_History_Audio_2025_{number}.json"
            path.write_text(json.dumps(rows[start : start + PLAYS_PER_FILE]), encoding="utf-8")


def user_plays(tracks: list[dict], count: int, random: np.random.Generator) -> list[dict]:
    """One user's plays in order of time: sessions of about twelve plays over a favourite few thousand tracks."""
    favourites = random.choice(len(tracks), size=min(3_000, len(tracks)), replace=False)
    # Few tracks are played often, many once.
    weights = 1 / np.arange(1, len(favourites) + 1) ** 0.8
    chosen = random.choice(favourites, size=count, p=weights / weights.sum())
    finished = random.random(count) < 0.7
    part = np.where(finished, 1.0, random.random(count))
    sessions = np.sort(random.integers(0, YEAR_SECONDS - 86_400, size=max(1, count // 12)))
    starts = np.sort(sessions[random.integers(0, len(sessions), size=count)])
    clock = 0
    rows = []
    for index in range(count):
        track = tracks[chosen[index]]
        played = int(int(track["duration_ms"]) * part[index])
        clock = max(clock, int(starts[index])) + played // 1000 + 1
        rows.append(play(track, clock, played, bool(finished[index])))
    return rows


def play(track: dict, clock: int, played: int, is_finished: bool) -> dict:
    """One record with the 23 keys of an export of 2026."""
    ended = FIRST_DAY + datetime.timedelta(seconds=clock)
    return {
        "ts": ended.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "platform": "android",
        "ms_played": played,
        "conn_country": "XX",
        "ip_addr": "192.0.2.1",
        "master_metadata_track_name": track["track_name"],
        "master_metadata_album_artist_name": track["artists"].split(";")[0],
        "master_metadata_album_album_name": track["album_name"],
        "spotify_track_uri": f"spotify:track:{track['track_id']}",
        "episode_name": None,
        "episode_show_name": None,
        "spotify_episode_uri": None,
        "audiobook_title": None,
        "audiobook_uri": None,
        "audiobook_chapter_uri": None,
        "audiobook_chapter_title": None,
        "reason_start": "trackdone",
        "reason_end": "trackdone" if is_finished else "fwdbtn",
        "shuffle": False,
        "skipped": not is_finished,
        "offline": False,
        "offline_timestamp": int(ended.timestamp()) - played // 1000,
        "incognito_mode": False,
    }
