//! A statement in the editor that the user has chosen.

use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::process::Command;

use crate::error::{Error, Result};

use super::read;

/// What every Unix has.
const USUAL: &str = "vi";

/// The text as it comes back from the editor.
pub(super) fn edited(text: &str) -> Result<String> {
    let named = ["VISUAL", "EDITOR"]
        .iter()
        .filter_map(|variable| env::var(variable).ok())
        .find(|editor| !editor.trim().is_empty());
    let editor = named.unwrap_or_else(|| USUAL.to_string());
    let path = env::temp_dir().join(format!("moodlake-{}.sql", uuid::Uuid::now_v7()));
    let mut file = File::create_new(&path).map_err(Error::io(&path))?;
    file.write_all(text.as_bytes()).map_err(Error::io(&path))?;
    drop(file);
    // The editor may be a command with arguments, which the shell tells apart.
    let ended = Command::new("sh")
        .args(["-c", &format!("{editor} \"$0\"")])
        .arg(&path)
        .status();
    let edited = read(&path);
    // It was ours alone; what cannot be removed is in the folder for such files.
    let _ = fs::remove_file(&path);
    let ended = ended.map_err(Error::io(editor.as_str()))?;
    if !ended.success() {
        return Err(Error::Input(format!(
            "{editor}: it ended with {ended}; set $EDITOR to another"
        )));
    }
    edited.map(|text| text.trim_end().to_string())
}
