//! The file `<lake>/.access/access.json`: read again when it changed, written whole, by one process at a time.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use super::Access;
use crate::error::{Error, Result};

/// In the lake; messages name it alone, as where the lake lies is the machine's affair.
const FOLDER: &str = ".access";
const FILE: &str = "access.json";

/// Where the access rules of a lake are kept.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    known: Mutex<Option<Known>>,
}

/// What was read last, and what the file looked like then.
#[derive(Debug)]
struct Known {
    stamp: Option<Stamp>,
    access: Arc<Access>,
}

/// Every write makes a new file, so that these two tell one from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    file: u64,
}

impl Store {
    /// The rules of the lake in `root`; nothing is read or made yet.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            folder: root.join(FOLDER),
            known: Mutex::default(),
        }
    }

    /// The rules as they are now. A lake without the file has none, and no users.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Input`] when the file is there and cannot be read: then nobody may do anything.
    pub fn current(&self) -> Result<Arc<Access>> {
        let stamp = self.stamp()?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref().filter(|known| known.stamp == stamp) {
            return Ok(Arc::clone(&known.access));
        }
        let access = Arc::new(self.read()?);
        *known = Some(Known {
            stamp,
            access: Arc::clone(&access),
        });
        Ok(access)
    }

    /// Changes the rules; no other process changes them meanwhile. Nothing is written when `change` refuses.
    ///
    /// # Errors
    /// Those of `change`, and [`Error::Io`] when the file cannot be written.
    pub fn change<T>(&self, change: impl FnOnce(&mut Access) -> Result<T>) -> Result<T> {
        private_folder(&self.folder)?;
        let lock_path = self.folder.join("lock");
        let lock = File::create(lock_path).map_err(Error::io(FOLDER))?;
        lock.lock().map_err(Error::io(FOLDER))?;
        let mut access = self.read()?;
        let before = access.clone();
        let changed = change(&mut access)?;
        access.name_changes(&before);
        if access != before {
            self.write(&access)?;
        }
        Ok(changed)
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    fn read(&self) -> Result<Access> {
        match fs::read_to_string(self.path()) {
            Ok(text) => serde_json::from_str(&text)
                .map_err(|error| Error::Input(format!("{FOLDER}/{FILE} of the lake: {error}"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Access::default()),
            Err(error) => Err(Error::io(FOLDER)(error)),
        }
    }

    fn write(&self, access: &Access) -> Result<()> {
        let text = serde_json::to_string_pretty(access)
            .map_err(|error| Error::Internal(error.to_string()))?;
        // What would not be read back as it is would lock everybody out.
        if serde_json::from_str::<Access>(&text).ok().as_ref() != Some(access) {
            return Err(Error::Internal(
                "rules that cannot be read back were not written".into(),
            ));
        }
        let staged = self.folder.join(format!("{}.staged", uuid::Uuid::now_v7()));
        let written = private_file(&staged).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written
            .and_then(|()| fs::rename(&staged, self.path()))
            .map_err(Error::io(FOLDER))
    }

    fn stamp(&self) -> Result<Option<Stamp>> {
        match fs::metadata(self.path()) {
            Ok(metadata) => Ok(Some(Stamp {
                modified: metadata.modified().ok(),
                file: file_number(&metadata),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(FOLDER)(error)),
        }
    }
}

#[cfg(unix)]
fn file_number(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn file_number(metadata: &fs::Metadata) -> u64 {
    metadata.len()
}

/// A folder that only its owner can look into.
fn private_folder(folder: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .recursive(true)
        .create(folder)
        .map_err(Error::io(FOLDER))
}

fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Grant, Privilege, Role, Securable, User};

    #[test]
    fn a_change_is_seen_by_others_and_a_refused_one_is_not_written() {
        let lake = tempfile::tempdir().unwrap();
        let (one, other) = (Store::new(lake.path()), Store::new(lake.path()));
        assert!(other.current().unwrap().users.is_empty());
        let ada = User {
            role: Role::Listener,
            password: None,
        };
        one.change(|access| {
            access.users.insert("ada".into(), ada);
            Ok(())
        })
        .unwrap();
        assert!(other.current().unwrap().users.contains_key("ada"));
        let refused: Result<()> = one.change(|access| {
            access.users.clear();
            Err(Error::Input("no".into()))
        });
        assert!(refused.is_err());
        assert!(one.current().unwrap().users.contains_key("ada"));
    }

    #[test]
    fn an_entry_that_is_again_what_it_was_is_another() {
        let lake = tempfile::tempdir().unwrap();
        let store = Store::new(lake.path());
        let put = |name: &str, role| {
            let user = User {
                role,
                password: None,
            };
            let put = store.change(|access| {
                access.users.insert(name.into(), user);
                Ok(())
            });
            put.unwrap();
            store.current().unwrap()
        };
        let first = put("ada", Role::Analyst);
        let same = put("ada", Role::Analyst);
        assert_eq!(same.entry("ada"), first.entry("ada"));
        assert_eq!(put("bob", Role::Admin).entry("ada"), first.entry("ada"));
        put("ada", Role::Listener);
        let again = put("ada", Role::Analyst);
        assert_eq!(again.users["ada"], first.users["ada"]);
        assert_ne!(again.entry("ada"), first.entry("ada"));
        let removed = store.change(|access| Ok(access.users.remove("ada")));
        assert!(removed.unwrap().is_some());
        let added = put("ada", Role::Analyst);
        assert_ne!(added.entry("ada"), again.entry("ada"));
        assert_ne!(added.entry("ada"), first.entry("ada"));
    }

    #[test]
    fn entries_of_before_changes_were_named_are_read() {
        let lake = tempfile::tempdir().unwrap();
        let store = Store::new(lake.path());
        fs::create_dir(lake.path().join(FOLDER)).unwrap();
        let kept = r#"{"users": {"ada": {"role": "analyst"}, "bob": {"role": "admin"}}}"#;
        fs::write(lake.path().join(FOLDER).join(FILE), kept).unwrap();
        let named = |access: &Access, name| access.entry(name).unwrap().1.is_some();
        let before = store.current().unwrap();
        assert!(!named(&before, "ada") && !named(&before, "bob"));
        let changed = store.change(|access| {
            access
                .users
                .entry("ada".into())
                .and_modify(|user| user.role = Role::Listener);
            Ok(())
        });
        changed.unwrap();
        let after = store.current().unwrap();
        assert!(named(&after, "ada") && !named(&after, "bob"));
    }

    #[test]
    fn rules_that_cannot_be_read_back_are_not_written() {
        let lake = tempfile::tempdir().unwrap();
        let store = Store::new(lake.path());
        let refused = store.change(|access| {
            access.grants.push(Grant {
                to: "ada".into(),
                privilege: Privilege::Select,
                on: Securable::Schema("gold.notes".into()),
            });
            Ok(())
        });
        assert!(refused.is_err());
        assert!(store.current().unwrap().grants.is_empty());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_no_empty_one() {
        let lake = tempfile::tempdir().unwrap();
        let store = Store::new(lake.path());
        fs::create_dir(lake.path().join(FOLDER)).unwrap();
        fs::write(lake.path().join(FOLDER).join(FILE), "{").unwrap();
        let message = store.current().unwrap_err().to_string();
        assert!(
            message.starts_with(".access/access.json of the lake: "),
            "{message}"
        );
    }
}
