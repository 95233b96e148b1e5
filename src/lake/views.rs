//! Views: kept as SQL text, planned anew in every statement that names them, so that they are never a frozen snapshot.

use std::path::PathBuf;

use super::{Lake, TableName};
use crate::error::{Error, Result};

/// What no table's folder ends with: a name has no dots.
const SUFFIX: &str = ".view.sql";

/// An opaque text that differs between any two statements of a view.
pub(super) fn state(statement: &str) -> String {
    blake3::hash(statement.as_bytes()).to_hex()[..16].to_string()
}

fn file_name(name: &TableName) -> String {
    format!("{}{SUFFIX}", name.table)
}

impl Lake {
    fn view_file(&self, name: &TableName) -> PathBuf {
        self.root.join(&name.schema).join(file_name(name))
    }

    /// The statement that made a view, if there is one of this name.
    ///
    /// # Errors
    /// [`Error::Io`] when it is there but cannot be read.
    pub fn view(&self, name: &TableName) -> Result<Option<String>> {
        let statement = std::fs::read_to_string(self.view_file(name));
        match statement {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            _ if !self.holds(&name.schema, &file_name(name)) => Ok(None),
            read => read.map(Some).map_err(Error::io(format!("view '{name}'"))),
        }
    }

    /// Keeps a view's statement. The file is put in place whole.
    ///
    /// # Errors
    /// [`Error::Exists`] when there is a view or table of this name that is not to be replaced.
    pub fn create_view(&self, name: &TableName, statement: &str, replace: bool) -> Result<()> {
        if self.has_table(name) {
            return Err(Error::Exists(format!(
                "'{name}' is a table; drop it before making a view of that name"
            )));
        }
        if !replace && self.view(name)?.is_some() {
            return Err(Error::Exists(format!(
                "view '{name}' exists already; use CREATE OR REPLACE VIEW to replace it"
            )));
        }
        let file = self.view_file(name);
        if !self.holds(&name.schema, &file_name(name)) {
            super::refuse_taken(&file, &name.to_string())?;
        }
        let staged = file.with_extension(format!("{}.staged", uuid::Uuid::now_v7()));
        std::fs::write(&staged, statement)
            .and_then(|()| std::fs::rename(&staged, &file))
            .map_err(Error::io(format!("view '{name}'")))
    }

    /// Forgets a view. Returns whether there was one.
    ///
    /// # Errors
    /// [`Error::Io`] when its file cannot be removed.
    pub fn drop_view(&self, name: &TableName) -> Result<bool> {
        if !self.holds(&name.schema, &file_name(name)) {
            return Ok(false);
        }
        match std::fs::remove_file(self.view_file(name)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io(format!("view '{name}'"))(error)),
        }
    }

    /// The views of a schema, sorted.
    ///
    /// # Errors
    /// [`Error::Io`] when the schema's folder cannot be read.
    pub fn views(&self, schema: &str) -> Result<Vec<String>> {
        if !self.has_schema(schema) {
            return Ok(Vec::new());
        }
        let entries = std::fs::read_dir(self.root.join(schema)).map_err(Error::io(schema))?;
        let mut names: Vec<String> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                entry.file_type().ok()?.is_file().then_some(())?;
                let name = entry
                    .file_name()
                    .to_str()?
                    .strip_suffix(SUFFIX)?
                    .to_string();
                super::check_part("view", &name).is_ok().then_some(name)
            })
            .collect();
        names.sort_unstable();
        Ok(names)
    }
}
