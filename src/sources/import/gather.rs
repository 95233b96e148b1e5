//! Which files an import is made of, and whose they are.

use std::path::{Path, PathBuf};

use super::{Options, UserNames};
use crate::engine::FileAccess;
use crate::error::{Error, Result};
use crate::sources::files::{Found, Input, default_user, find};
use crate::sources::kind::Kind;
use crate::sources::report::{Cause, NO_HISTORY, Tallies};
use crate::sources::spotify_export::HistoryFile;

/// How Spotify calls the files of an extended streaming history.
const HISTORY_NAMES: [&str; 2] = ["Streaming_History_", "endsong_"];
/// Why a file beside the folders of listeners is left out.
const NOBODYS: &str =
    "refused: it is in no listener's folder; put it into one, or import it with --user NAME";

/// The files to read, and what is known of the others.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) histories: Vec<HistoryFile>,
    pub(super) catalogues: Vec<Input>,
    /// Files that are refused, broken or of no use.
    pub(super) tallies: Tallies,
    /// What the user should know before the figures.
    pub(super) notes: Vec<String>,
}

/// Looks at every path; an error if none of them leads to anything that can be imported.
pub(super) fn gather(options: &Options) -> Result<Gathered> {
    let mut gathered = Gathered::default();
    for path in &options.paths {
        match &options.users {
            UserNames::Named(name) => gathered.add(Some(name), path)?,
            UserNames::FromPath => {
                let name = default_user(path);
                gathered.add(Some(&name), path)?;
                gathered.note_odd_name(&name, path);
            }
            UserNames::FromFolder if path.is_dir() => {
                for entry in entries(path)? {
                    let name = entry.is_dir().then(|| default_user(&entry));
                    gathered.add(name.as_deref(), &entry)?;
                }
            }
            // A catalogue beside the folder of folders.
            UserNames::FromFolder => gathered.add(None, path)?,
        }
    }
    if gathered.histories.is_empty() && gathered.catalogues.is_empty() {
        return Err(nothing(options, &gathered));
    }
    Ok(gathered)
}

impl Gathered {
    /// Adds what `path` leads to; histories only if it is known whose they are.
    fn add(&mut self, user_id: Option<&str>, path: &Path) -> Result<()> {
        let Found { inputs, unreadable } = find(path, &FileAccess::Anywhere)?;
        let cause = |file: String, reason: String| Cause {
            user_id: user_id.map(str::to_string),
            file,
            kind: "history",
            reason,
        };
        for file in unreadable {
            self.tallies.add(
                cause(file.label, format!("malformed: {}", file.reason)),
                0,
                None,
            );
        }
        for input in inputs {
            match (input.kind, input.kind.refusal()) {
                (Kind::History, _) => match user_id {
                    Some(user_id) => self.histories.push(HistoryFile {
                        user_id: user_id.to_string(),
                        input,
                    }),
                    None => self
                        .tallies
                        .add(cause(input.label, NOBODYS.to_string()), 0, None),
                },
                (Kind::Catalogue, _) => self.catalogues.push(input),
                (_, Some(refusal)) => {
                    self.tallies
                        .add(cause(input.label, format!("refused: {refusal}")), 0, None);
                }
                (_, None) if is_called_history(&input.label) => {
                    let reason = format!("malformed: {NO_HISTORY}");
                    self.tallies.add(cause(input.label, reason), 0, None);
                }
                (Kind::OtherJson, None) => {
                    let reason = "ignored: no streaming history".to_string();
                    self.tallies.add(cause(input.label, reason), 0, None);
                }
                // Pictures and read-me files come with every export.
                (_, None) => {}
            }
        }
        Ok(())
    }

    /// A file that is called as Spotify calls it says nothing about whose it is.
    fn note_odd_name(&mut self, name: &str, path: &Path) {
        let is_spotifys = HISTORY_NAMES
            .iter()
            .chain(&["my_spotify_data", "Spotify "])
            .any(|start| name.starts_with(start));
        if is_spotifys && self.histories.iter().any(|file| file.user_id == name) {
            let path = path.display();
            self.notes.push(format!(
                "{path}: the listener is called '{name}'; --user NAME says who it is"
            ));
        }
    }
}

/// Whether Spotify gives this name to the files of an extended streaming history.
fn is_called_history(label: &str) -> bool {
    let name = label.rsplit('/').next().unwrap_or(label);
    let is_json = Path::new(name)
        .extension()
        .is_some_and(|extension| extension == "json");
    is_json && HISTORY_NAMES.iter().any(|start| name.starts_with(start))
}

/// What lies directly in a folder of folders, without hidden files.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
        let path = entry.map_err(Error::io(folder))?.path();
        if !path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
        {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn nothing(options: &Options, gathered: &Gathered) -> Error {
    let refused = gathered
        .tallies
        .iter()
        .find(|(cause, _)| !cause.reason.starts_with("ignored"));
    if let Some((cause, _)) = refused {
        return Error::Input(format!("import: {}: {}", cause.file, cause.reason));
    }
    let paths: Vec<String> = options
        .paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    Error::Input(format!(
        "import: nothing to import in {}: expected Spotify's extended streaming history (a folder, \
         .zip or .json) or a catalogue of tracks (.csv or .csv.gz)",
        paths.join(", ")
    ))
}
