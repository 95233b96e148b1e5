//! `tracks_csv(path)`: the rows of a catalogue of tracks with audio features, as `import` reads them.
//!
//! * `path`: a .csv or .csv.gz file like Kaggle's Spotify Tracks Dataset, or a folder or .zip with such files; only below
//!   the folders that the server was started with (`moodlake serve --files DIR`).
//!
//! Columns: those of `bronze.catalogue_tracks`, from `row_index`, `track_id` and `artists` to `row_id`, `_source`,
//! `_source_file` and `_ingested_at`. The header is matched by name: `track_id`, `track_name` and the audio features
//! (`time_signature` excepted) have to be there, other columns are `NULL` where the file lacks them. A row that is
//! broken is left out and logged with its line. The file is read while the query runs, never while it is planned.
//!
//! ```sql
//! select track_genre, avg(tempo) as tempo from tracks_csv('dataset.csv.gz') group by track_genre;
//! ```

use std::collections::HashSet;

use moodlake_udfs::Parameter;

use super::Sink;
use super::catalogue::{SCHEMA, read_catalogue};
use super::file_function::{Call, FileFunction};
use super::kind::Kind;
use super::report::Tallies;
use crate::error::Result;

/// `tracks_csv`
pub(super) static FUNCTION: FileFunction = FileFunction {
    name: "tracks_csv",
    parameters: &[Parameter::Value("path")],
    schema: &SCHEMA,
    read,
};

fn read(call: &Call, sink: Sink<'_>) -> Result<Tallies> {
    let (mut tallies, mut seen) = (Tallies::default(), HashSet::new());
    for input in call.files(
        Kind::Catalogue,
        "no CSV file with tracks and audio features is there",
    )? {
        tallies.merge(read_catalogue(&input, call.called_at, &mut seen, sink)?);
    }
    Ok(tallies)
}
