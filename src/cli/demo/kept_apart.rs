//! Real and invented data never meet in one lake by way of the demo, nor two that were invented differently.
//!
//! A mark beside the generated files says what they were made from. Without it, what a lake holds is real.

use std::fs;
use std::path::Path;

use super::Arguments;
use crate::client::{Client, integers, texts};
use crate::error::{Error, Result};

/// The file that says what generated plays are of.
const MARK: &str = "made_from";
/// What it says when the tracks were generated too.
const INVENTED: &str = "invented tracks";

/// Refuses a lake with data of the other kind; forgets what was generated for an import that never came.
pub(super) async fn check(
    client: &Client,
    dir: &Path,
    generated: &Path,
    arguments: &Arguments,
) -> Result<()> {
    let found = fs::read_to_string(generated.join(MARK)).ok();
    if !has_data(client).await? {
        if generated.is_dir() {
            fs::remove_dir_all(generated).map_err(Error::io(generated))?;
        }
        return Ok(());
    }
    let held = match (found, arguments.is_generated()) {
        (None, false) => return Ok(()),
        (Some(found), true) if found == made_from(arguments)? => return Ok(()),
        (None, true) => "real plays or tracks",
        (Some(_), false) => "generated plays",
        (Some(_), true) => "plays that were generated over another catalogue",
    };
    Err(Error::Input(format!(
        "{}: this lake has {held}: give the demo a folder of its own with --dir",
        dir.display()
    )))
}

/// Marks the generated files, before they are imported.
pub(super) fn mark(generated: &Path, arguments: &Arguments) -> Result<()> {
    let path = generated.join(MARK);
    fs::write(&path, made_from(arguments)?).map_err(Error::io(path))
}

/// What plays are generated from: the content of the catalogue, by its hash, so that its name does not matter.
fn made_from(arguments: &Arguments) -> Result<String> {
    Ok(match &arguments.catalog {
        None => INVENTED.to_string(),
        Some(path) if path.is_dir() => path.display().to_string(),
        Some(path) => {
            let bytes = fs::read(path).map_err(Error::io(path))?;
            blake3::hash(&bytes).to_hex().to_string()
        }
    })
}

/// Whether anything was ever imported that is still there.
async fn has_data(client: &Client) -> Result<bool> {
    let sql = "select table_name from system.tables where schema_name = 'bronze'";
    let (_, batches) = client.query(sql).await?;
    let tables = texts(&batches, 0)?;
    for table in ["plays_extended", "catalogue_tracks"] {
        if !tables.iter().flatten().any(|name| name == table) {
            continue;
        }
        let sql = format!("select count(*) from bronze.{table}");
        let (_, batches) = client.query(&sql).await?;
        if integers(&batches, 0)? != [Some(0)] {
            return Ok(true);
        }
    }
    Ok(false)
}
