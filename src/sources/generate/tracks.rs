//! The tracks that listeners choose from: written to, or read from, a catalogue in Kaggle's shape.

use std::collections::HashSet;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::engine::FileAccess;
use crate::error::{Error, Result};
use crate::sources::catalogue::read_catalogue;
use crate::sources::files::find;

/// The least number of tracks that a listener can be simulated over.
const MIN_TRACKS: usize = 50;

/// Beats of a bar where a catalogue does not say.
const USUAL_BEATS: i64 = 4;

/// Spotify's audio features, in their units.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Features {
    pub(super) danceability: f64,
    pub(super) energy: f64,
    pub(super) key: i64,
    /// In dB.
    pub(super) loudness: f64,
    pub(super) mode: i64,
    pub(super) speechiness: f64,
    pub(super) acousticness: f64,
    pub(super) instrumentalness: f64,
    pub(super) liveness: f64,
    pub(super) valence: f64,
    /// In beats per minute.
    pub(super) tempo: f64,
    pub(super) time_signature: i64,
}

/// A track under the first genre that its catalogue gives it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Track {
    pub(super) id: String,
    pub(super) artists: String,
    pub(super) album: String,
    pub(super) name: String,
    pub(super) popularity: i64,
    pub(super) duration_ms: i64,
    pub(super) explicit: bool,
    pub(super) features: Features,
    pub(super) genre: String,
}

impl Track {
    /// The album artist in an export: the first of the artists.
    pub(super) fn first_artist(&self) -> &str {
        self.artists.split(';').next().unwrap_or_default()
    }
}

/// Writes a catalogue, compressed, with Kaggle's header and its ways of writing values.
pub(super) fn write(tracks: &[Track], path: &Path) -> Result<()> {
    let file = File::create(path).map_err(Error::io(path))?;
    let mut csv =
        csv::Writer::from_writer(GzEncoder::new(BufWriter::new(file), Compression::fast()));
    let failed = |error: csv::Error| Error::Input(format!("{}: {error}", path.display()));
    csv.write_record(HEADER).map_err(failed)?;
    for (index, track) in tracks.iter().enumerate() {
        csv.write_record(record(index, track)).map_err(failed)?;
    }
    let encoder = csv
        .into_inner()
        .map_err(|error| Error::io(path)(error.into_error()))?;
    encoder
        .finish()
        .map_err(Error::io(path))?
        .into_inner()
        .map_err(|error| Error::io(path)(error.into_error()))?;
    Ok(())
}

/// Reads the tracks of a catalogue that have features and a name, each once.
pub(super) fn read(path: &Path) -> Result<Vec<Track>> {
    let found = find(path, &FileAccess::Anywhere)?;
    let (mut tracks, mut ids, mut seen) = (Vec::new(), HashSet::new(), HashSet::new());
    for input in &found.inputs {
        read_catalogue(input, 0, &mut seen, &mut |batch| {
            tracks.extend(tracks_of(&batch)?.filter(|track| ids.insert(track.id.clone())));
            Ok(())
        })?;
    }
    if tracks.len() < MIN_TRACKS {
        return Err(Error::Input(format!(
            "generate: {} has {} tracks with audio features, {MIN_TRACKS} are needed",
            path.display(),
            tracks.len()
        )));
    }
    Ok(tracks)
}

fn tracks_of(batch: &RecordBatch) -> Result<impl Iterator<Item = Track> + '_> {
    let column = |name: &str| {
        let column = batch.column_by_name(name);
        column.ok_or_else(|| Error::Internal(format!("a catalogue without {name}")))
    };
    let texts = |name: &str| {
        let texts = column(name)?.as_string::<i32>();
        Ok::<_, Error>(move |row: usize| texts.is_valid(row).then(|| texts.value(row).to_string()))
    };
    let integers = |name: &str| {
        let integers = column(name)?.as_primitive::<Int64Type>();
        Ok::<_, Error>(move |row: usize| integers.is_valid(row).then(|| integers.value(row)))
    };
    let numbers = |name: &str| {
        let numbers = column(name)?.as_primitive::<Float64Type>();
        Ok::<_, Error>(move |row: usize| numbers.is_valid(row).then(|| numbers.value(row)))
    };
    let (id, name, genre) = (
        texts("track_id")?,
        texts("track_name")?,
        texts("track_genre")?,
    );
    let (artists, album) = (texts("artists")?, texts("album_name")?);
    let (popularity, duration_ms) = (integers("popularity")?, integers("duration_ms")?);
    let (danceability, energy) = (numbers("danceability")?, numbers("energy")?);
    let (key, loudness, mode) = (integers("key")?, numbers("loudness")?, integers("mode")?);
    let (speechiness, acousticness) = (numbers("speechiness")?, numbers("acousticness")?);
    let (instrumentalness, liveness) = (numbers("instrumentalness")?, numbers("liveness")?);
    let (valence, tempo) = (numbers("valence")?, numbers("tempo")?);
    let time_signature = integers("time_signature")?;
    let track = move |row: usize| {
        let features = Features {
            danceability: danceability(row)?,
            energy: energy(row)?,
            key: key(row)?,
            loudness: loudness(row)?,
            mode: mode(row)?,
            speechiness: speechiness(row)?,
            acousticness: acousticness(row)?,
            instrumentalness: instrumentalness(row)?,
            liveness: liveness(row)?,
            valence: valence(row)?,
            tempo: tempo(row).filter(|tempo| *tempo > 0.0)?,
            // 0 is where Spotify's analysis failed; some catalogues have no such column.
            time_signature: Some(time_signature(row).unwrap_or(USUAL_BEATS))
                .filter(|beats| *beats > 0)?,
        };
        Some(Track {
            id: id(row)?,
            artists: artists(row)?,
            album: album(row).unwrap_or_default(),
            name: name(row)?,
            popularity: popularity(row).unwrap_or(0),
            duration_ms: duration_ms(row).filter(|duration| *duration > 0)?,
            explicit: false,
            features,
            genre: genre(row).unwrap_or_default(),
        })
    };
    Ok((0..batch.num_rows()).filter_map(track))
}

const HEADER: [&str; 21] = [
    "",
    "track_id",
    "artists",
    "album_name",
    "track_name",
    "popularity",
    "duration_ms",
    "explicit",
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
    "track_genre",
];

fn record(index: usize, track: &Track) -> [String; HEADER.len()] {
    let Features {
        key,
        mode,
        time_signature,
        ..
    } = track.features;
    let f = &track.features;
    [
        index.to_string(),
        track.id.clone(),
        track.artists.clone(),
        track.album.clone(),
        track.name.clone(),
        track.popularity.to_string(),
        track.duration_ms.to_string(),
        (if track.explicit { "True" } else { "False" }).to_string(),
        f.danceability.to_string(),
        f.energy.to_string(),
        key.to_string(),
        f.loudness.to_string(),
        mode.to_string(),
        f.speechiness.to_string(),
        f.acousticness.to_string(),
        f.instrumentalness.to_string(),
        f.liveness.to_string(),
        f.valence.to_string(),
        f.tempo.to_string(),
        time_signature.to_string(),
        track.genre.clone(),
    ]
}
