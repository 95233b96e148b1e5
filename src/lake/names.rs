//! What schemas and tables may be called, and what is found under a name.

use std::{fmt, path::Path, str::FromStr};

use super::{CATALOG, DEFAULT_SCHEMA};
use crate::error::{Error, Result};

/// The kind of name that the catalogue's is not.
pub(super) const SCHEMA: &str = "schema";

/// Bytes of a name: both of a dropped table's and what tells it from others are one folder's, which may have 255.
const MOST_NAME_BYTES: usize = 100;

/// A table's (or view's) name: schema and table, both as folders may be named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// The schema, such as `gold`.
    pub schema: String,
    /// The table in it, such as `top_tracks`.
    pub table: String,
}

impl TableName {
    /// A name of two parts; refuses what cannot be the name of a folder.
    ///
    /// # Errors
    /// [`Error::Input`] when a part is empty, too long, or has a dot or what folders are not called.
    pub fn new(schema: impl Into<String>, table: impl Into<String>) -> Result<Self> {
        let (schema, table) = (schema.into(), table.into());
        check_part(SCHEMA, &schema)?;
        check_part("table", &table)?;
        Ok(Self { schema, table })
    }

    /// The name that these parts make, in `schema` where they name none.
    ///
    /// # Errors
    /// [`Error::Input`] for more parts than catalogue, schema and table, and as [`TableName::new`].
    pub fn of_parts<P: AsRef<str>>(parts: &[P], schema: &str) -> Result<Self> {
        let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
        match parts.as_slice() {
            [table] => Self::new(schema, *table),
            [schema, table] | [CATALOG, schema, table] => Self::new(*schema, *table),
            _ => Err(Error::Input(format!(
                "'{}' is not a table name, expected schema.table",
                parts.join(".")
            ))),
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

impl FromStr for TableName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split('.').collect();
        Self::of_parts(&parts, DEFAULT_SCHEMA)
    }
}

/// Refuses a schema or table name that a folder cannot carry safely, or that is not one part of a longer name.
pub(crate) fn check_part(kind: &str, part: &str) -> Result<()> {
    if part.len() > MOST_NAME_BYTES {
        return Err(Error::Input(format!(
            "the name of a {kind} has {} bytes, at most {MOST_NAME_BYTES} are allowed",
            part.len()
        )));
    }
    let unsafe_character = |c: char| "./\\@".contains(c) || c.is_control();
    if part.is_empty() || part.ends_with(' ') || part.contains(unsafe_character) {
        return Err(Error::Input(format!(
            "'{part}' cannot name a {kind}: a name does not end with a space and has no ., /, \\, @ or control characters"
        )));
    }
    if kind == SCHEMA && part == CATALOG {
        return Err(Error::Input(format!(
            "'{part}' cannot name a schema: it is the catalogue, expected {CATALOG}.schema.table or schema.table"
        )));
    }
    // Somewhere on its way to the disk a path is decoded: `pl%61ys` would be the folder of `plays`.
    let is_encoded = |pair: &[u8]| pair.len() == 2 && pair.iter().all(u8::is_ascii_hexdigit);
    if part
        .split('%')
        .skip(1)
        .any(|rest| is_encoded(&rest.as_bytes()[..rest.len().min(2)]))
    {
        return Err(Error::Input(format!(
            "'{part}' cannot name a {kind}: a percent sign does not stand before two hexadecimal digits"
        )));
    }
    Ok(())
}

/// Whether a folder has an entry of exactly this name. That it can be opened proves nothing: there are file systems on
/// which `Plays`, `plays.` and `PLAYS~1` open `plays`, and rules are about exact names.
pub(super) fn is_listed(folder: &Path, name: &str) -> bool {
    // Most names need no list: small letters that cannot be opened as capitals have no second spelling.
    let is_plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.".contains(&byte);
    if name.bytes().all(is_plain)
        && name.bytes().any(|byte| byte.is_ascii_lowercase())
        && !folder.join(name.to_ascii_uppercase()).exists()
    {
        return folder.join(name).exists();
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name())
        .any(|file| file == name)
}

/// Refuses to make what the file system takes for something else that is there.
pub(super) fn refuse_taken(path: &Path, name: &str) -> Result<()> {
    if path.exists() {
        return Err(Error::Exists(format!(
            "'{name}': the lake has something else that its file system finds under this name; choose one that differs \
             in more than upper and lower case"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_the_lake() {
        for bad in [
            "../x",
            "gold.../../etc",
            "gold.a/b",
            "a.b.c.d",
            ".x",
            "",
            "gold.pl%61ys",
            "a%2fb",
            "gold.plays ",
            "moodlake.plays",
        ] {
            assert!(bad.parse::<TableName>().is_err(), "{bad}");
        }
        let name: TableName = "moodlake.gold.top_tracks".parse().unwrap();
        assert_eq!(name.to_string(), "gold.top_tracks");
    }

    #[test]
    fn a_name_read_back_from_text_is_the_same_name() {
        for (schema, table) in [
            ("gold", "silver.plays"),
            ("gold.plays", "t"),
            ("moodlake", "plays"),
        ] {
            assert!(TableName::new(schema, table).is_err(), "{schema} {table}");
        }
        let long = "ä".repeat(MOST_NAME_BYTES / 2);
        for table in ["Mixed Case", "quote \" two", "moodlake", "100 %", &long] {
            let name = TableName::new("gold", table).unwrap();
            assert_eq!(name.to_string().parse::<TableName>().unwrap(), name);
        }
        let message = TableName::new("gold", format!("{long}a")).unwrap_err();
        assert!(message.to_string().contains("101 bytes"), "{message}");
    }

    #[test]
    fn what_goes_by_another_name_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("plays")).unwrap();
        std::fs::create_dir(folder.path().join("TRACKS")).unwrap();
        std::fs::create_dir(folder.path().join("Users")).unwrap();
        for (name, is_there) in [
            ("plays", true),
            ("Plays", false),
            ("TRACKS", true),
            ("tracks", false),
            ("Users", true),
            ("nothing", false),
        ] {
            assert_eq!(is_listed(folder.path(), name), is_there, "{name}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_can_be_opened_is_there_only_if_it_is_listed() {
        // A thread has a folder in /proc that is not in the list of it.
        let thread = std::fs::read_link("/proc/thread-self").unwrap();
        let thread = thread.file_name().unwrap().to_str().unwrap();
        assert!(Path::new("/proc").join(thread).is_dir());
        assert!(!is_listed(Path::new("/proc"), thread));
    }
}
