//! `spotify_history(path[, user_name])`: the plays of Spotify's extended streaming history, as `import` reads them.
//!
//! * `path`: a folder (searched with its sub-folders), the .zip that Spotify sends, or one file; only below the folders
//!   that the server was started with (`moodlake serve --files DIR`).
//! * `user_name`: whose plays they are; the folder's name, or the file's without its extension, if left out.
//!
//! Columns: those of `bronze.plays_extended`, from `user_id` and `ts` (the end of the play, UTC) to `play_id`,
//! `_source_file` and `_ingested_at`. Files are told by their content, in the current and the legacy shape. Personal
//! fields (user name, addresses, user agent, city, region) are not read. Equal plays come once; a record that is broken
//! is left out and logged with its place. Files are read while the query runs, never while it is planned.
//!
//! ```sql
//! select count(*) as plays from spotify_history('exports/ada', user_name => 'ada');
//! ```

use moodlake_udfs::Parameter;

use super::Sink;
use super::file_function::{Call, FileFunction};
use super::files::default_user;
use super::kind::Kind;
use super::report::Tallies;
use super::spotify_export::{HistoryFile, SCHEMA, read_history};
use crate::error::Result;

/// `spotify_history`
pub(super) static FUNCTION: FileFunction = FileFunction {
    name: "spotify_history",
    parameters: &[Parameter::Value("path"), Parameter::Value("user_name")],
    schema: &SCHEMA,
    read,
};

fn read(call: &Call, sink: Sink<'_>) -> Result<Tallies> {
    let user_id = call
        .user_name
        .clone()
        .unwrap_or_else(|| default_user(&call.path));
    let nothing = "no extended streaming history of Spotify is there";
    let files: Vec<HistoryFile> = call
        .files(Kind::History, nothing)?
        .map(|input| HistoryFile {
            user_id: user_id.clone(),
            input,
        })
        .collect();
    read_history(&files, call.called_at, sink)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::FileAccess;
    use arrow::array::{AsArray, RecordBatch};
    use std::path::PathBuf;

    fn rows(path: &str, user_name: Option<&str>) -> Result<Vec<RecordBatch>> {
        let call = Call {
            function: FUNCTION.name,
            path: PathBuf::from(env!("CARGO_MANIFEST_DIR"))
                .join("tests/fixtures")
                .join(path),
            user_name: user_name.map(str::to_string),
            access: FileAccess::Anywhere,
            called_at: 0,
        };
        let mut batches = Vec::new();
        read(&call, &mut |batch| {
            batches.push(batch);
            Ok(())
        })?;
        Ok(batches)
    }

    #[test]
    fn the_folder_names_the_user() {
        let user = |batches: Vec<RecordBatch>| {
            batches[0].column(0).as_string::<i32>().value(0).to_string()
        };
        assert_eq!(user(rows("history", None).unwrap()), "history");
        assert_eq!(
            user(rows("history/legacy/endsong_0.json", None).unwrap()),
            "endsong_0"
        );
        assert_eq!(user(rows("history", Some("ann")).unwrap()), "ann");
    }

    #[test]
    fn other_files_are_refused_by_what_they_are() {
        let error = rows("other", None).unwrap_err().to_string();
        assert!(
            error.contains("account data") && error.starts_with("spotify_history: "),
            "{error}"
        );
        let error = rows("tracks.csv", None).unwrap_err().to_string();
        assert!(
            error.ends_with("no extended streaming history of Spotify is there"),
            "{error}"
        );
    }
}
