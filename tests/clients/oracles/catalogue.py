"""Kaggle's "Spotify Tracks Dataset": seven genre tags that name a mood, a track counted once, artists kept together."""

import os
import pathlib

import numpy
import pandas

VARIABLE = "MOODLAKE_KAGGLE_TRACKS"
BESIDE = pathlib.Path(__file__).resolve().parents[4] / "shared/data/kaggle_spotify_tracks.csv.gz"

TAGS = ["chill", "happy", "party", "romance", "sad", "sleep", "study"]
FEATURES = [
    "danceability",
    "energy",
    "key",
    "loudness",
    "mode",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "valence",
    "tempo",
    "time_signature",
]
FOLDS = 5


def path() -> pathlib.Path | None:
    """The file that the variable names, or the one beside the clone."""
    named = pathlib.Path(os.environ.get(VARIABLE, BESIDE))
    return named if named.is_file() else None


def tracks(file: pathlib.Path) -> pandas.DataFrame:
    """A row for each track with exactly one of the tags: artist, features, tag and the fold of its artist."""
    table = pandas.read_csv(file, usecols=["track_id", "artists", "track_genre", *FEATURES])
    table = table[table.track_genre.isin(TAGS)].dropna()
    tags = table.groupby("track_id").track_genre.nunique()
    table = table[table.track_id.isin(tags.index[tags == 1])].drop_duplicates("track_id")
    table["artist"] = table.artists.str.split(";").str[0]
    # Artists are dealt to the folds in an order that has nothing to do with their names.
    artists = numpy.sort(table.artist.unique())
    numpy.random.default_rng(5).shuffle(artists)
    fold_of = {artist: number % FOLDS for number, artist in enumerate(artists)}
    table["fold"] = table.artist.map(fold_of)
    return table.drop(columns="artists").rename(columns={"track_genre": "tag"}).reset_index(drop=True)
