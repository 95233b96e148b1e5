//! What a path leads to: files in folders and zip archives, told apart by content.
//!
//! A path is made canonical before it is compared with what may be read, and so is every file
//! found below it, so that neither `..` nor a link leads out.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Component, Path, PathBuf};

use flate2::read::MultiGzDecoder;
use zip::ZipArchive;

use super::kind::{HEAD_BYTES, Kind};
use super::report::damage;
use crate::engine::FileAccess;
use crate::error::{Error, Result};
use crate::wording::plain;

const GZIP_MAGIC: &[u8] = b"\x1f\x8b";
const ZIP_MAGIC: &[u8] = b"PK\x03\x04";

/// One file to read, possibly inside an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Input {
    /// The canonical path of the file, or of its archive.
    path: PathBuf,
    /// Which member of the archive it is.
    member: Option<usize>,
    /// What it is called in `_source_file`: from the given path on, without what lies above.
    pub(crate) label: String,
    /// What it holds.
    pub(crate) kind: Kind,
}

/// A file that could not even be looked into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// What it is called, as in [`Input::label`].
    pub(crate) label: String,
    /// Why it cannot be read.
    pub(crate) reason: String,
}

/// Everything that a path leads to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Files in the order of their names.
    pub(crate) inputs: Vec<Input>,
    /// Files that are broken, by name.
    pub(crate) unreadable: Vec<Unreadable>,
}

impl Input {
    /// Opens the file, decompressed, and hands its bytes to `read`.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
        let file = File::open(&self.path).map_err(Error::io(&self.path))?;
        let Some(member) = self.member else {
            return read(&mut decompressed(file).map_err(Error::io(&self.path))?);
        };
        let zip_error = |error| Error::Input(format!("{}: {error}", self.label));
        let mut archive = ZipArchive::new(BufReader::new(file)).map_err(zip_error)?;
        let mut reader = archive.by_index(member).map_err(zip_error)?;
        read(&mut reader)
    }

    /// The name of the file without folders, `.gz`, `.csv` or `.json`.
    pub(crate) fn stem(&self) -> &str {
        let name = self.label.rsplit('/').next().unwrap_or(&self.label);
        let name = name.strip_suffix(".gz").unwrap_or(name);
        [".csv", ".json"]
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .unwrap_or(name)
    }
}

/// The canonical form of `path`, if it may be read.
pub(crate) fn resolve(path: &Path, access: &FileAccess) -> Result<PathBuf> {
    let resolved = path.canonicalize();
    match (access, resolved) {
        (FileAccess::Anywhere, resolved) => resolved.map_err(|source| missing(path, &source)),
        (FileAccess::Under(folders), Ok(resolved)) if is_under(&resolved, folders) => Ok(resolved),
        (FileAccess::Under(folders), Err(source)) if would_be_under(path, folders) => {
            Err(missing(path, &source))
        }
        (FileAccess::Under(_), _) => Err(Error::Input(format!(
            "{}: this server may not read there; start it with `moodlake serve --files DIR`, DIR \
             being a folder above the path",
            path.display()
        ))),
    }
}

/// Finds the files that `path` leads to; a single file is found whatever it holds.
pub(crate) fn find(path: &Path, access: &FileAccess) -> Result<Found> {
    let resolved = resolve(path, access)?;
    let mut found = Found::default();
    let label = name_of(&resolved);
    if resolved.is_dir() {
        walk(
            &resolved,
            &label,
            access,
            &mut vec![resolved.clone()],
            &mut found,
        )?;
    } else {
        look_into(resolved, label, &mut found);
        take_at_its_word(&mut found);
    }
    Ok(found)
}

/// A single file called .csv is meant as a catalogue; reading it tells what it lacks.
fn take_at_its_word(found: &mut Found) {
    for input in &mut found.inputs {
        let name = input.label.to_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        let is_csv = name.strip_suffix(".csv").is_some();
        if input.member.is_none() && input.kind == Kind::Other && is_csv {
            input.kind = Kind::Catalogue;
        }
    }
}

/// The name that a user gets from a path: the folder's, or the file's without its extension.
pub(crate) fn default_user(path: &Path) -> String {
    let resolved = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let name = if resolved.is_dir() {
        resolved.file_name()
    } else {
        resolved.file_stem()
    };
    name.map_or_else(
        || "listener".to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

fn is_under(path: &Path, folders: &[PathBuf]) -> bool {
    folders.iter().any(|folder| {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.clone());
        path.starts_with(folder)
    })
}

fn missing(path: &Path, source: &io::Error) -> Error {
    Error::NotFound(format!("{}: {}", path.display(), plain(source)))
}

/// Whether a path that does not exist is, by its words alone, below one of the folders.
fn would_be_under(path: &Path, folders: &[PathBuf]) -> bool {
    let climbs = path.components().any(|part| part == Component::ParentDir);
    !climbs && std::path::absolute(path).is_ok_and(|path| is_under(&path, folders))
}

fn walk(
    folder: &Path,
    label: &str,
    access: &FileAccess,
    above: &mut Vec<PathBuf>,
    found: &mut Found,
) -> Result<()> {
    let mut paths = std::fs::read_dir(folder)
        .and_then(|entries| {
            entries
                .map(|entry| Ok(entry?.path()))
                .collect::<io::Result<Vec<_>>>()
        })
        .map_err(Error::io(folder))?;
    paths.sort();
    for path in paths {
        let label = format!("{label}/{}", name_of(&path));
        let resolved = match resolve(&path, access) {
            Ok(resolved) => resolved,
            Err(error) => {
                found.unreadable.push(Unreadable {
                    label,
                    reason: error.to_string(),
                });
                continue;
            }
        };
        if !resolved.is_dir() {
            look_into(resolved, label, found);
        } else if !above.contains(&resolved) {
            above.push(resolved.clone());
            walk(&resolved, &label, access, above, found)?;
            above.pop();
        }
    }
    Ok(())
}

/// Adds a file, or the members of an archive, to what was found.
fn look_into(path: PathBuf, label: String, found: &mut Found) {
    if let Err(error) = look_at(path, &label, found) {
        found.unreadable.push(Unreadable {
            label,
            reason: damage(&error),
        });
    }
}

fn look_at(path: PathBuf, label: &str, found: &mut Found) -> io::Result<()> {
    if head_of(&mut File::open(&path)?, ZIP_MAGIC.len())? == ZIP_MAGIC {
        return look_at_members(&path, label, found);
    }
    let head = head_of(&mut decompressed(File::open(&path)?)?, HEAD_BYTES)?;
    let (label, kind) = (label.to_string(), Kind::of(&head));
    found.inputs.push(Input {
        path,
        member: None,
        label,
        kind,
    });
    Ok(())
}

fn look_at_members(path: &Path, label: &str, found: &mut Found) -> io::Result<()> {
    let mut archive = ZipArchive::new(BufReader::new(File::open(path)?))?;
    let mut names: Vec<(String, usize)> = (0..archive.len())
        .filter_map(|member| Some((archive.name_for_index(member)?.ok()?.into_owned(), member)))
        .filter(|(name, _)| !name.ends_with('/'))
        .collect();
    names.sort();
    for (name, member) in names {
        let label = format!("{label}/{name}");
        let head = archive
            .by_index(member)
            .map_err(io::Error::from)
            .and_then(|mut reader| head_of(&mut reader, HEAD_BYTES));
        match head {
            Ok(head) => found.inputs.push(Input {
                path: path.to_path_buf(),
                member: Some(member),
                label,
                kind: Kind::of(&head),
            }),
            Err(error) => {
                found.unreadable.push(Unreadable {
                    label,
                    reason: damage(&error),
                });
            }
        }
    }
    Ok(())
}

fn decompressed(mut file: File) -> io::Result<Box<dyn Read>> {
    let start = head_of(&mut file, GZIP_MAGIC.len())?;
    io::Seek::rewind(&mut file)?;
    if start == GZIP_MAGIC {
        Ok(Box::new(MultiGzDecoder::new(BufReader::with_capacity(
            256 * 1024,
            file,
        ))))
    } else {
        Ok(Box::new(file))
    }
}

/// The first bytes; of a file that breaks off within them, those before.
fn head_of(reader: &mut dyn Read, bytes: usize) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(bytes);
    match reader.take(bytes as u64).read_to_end(&mut head) {
        Err(error) if head.is_empty() => Err(error),
        _ => Ok(head),
    }
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_else(|| OsStr::new("files"))
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const HISTORY: &str = "[{\"ts\": \"x\", \"ms_played\": 1}]";

    #[test]
    fn a_folder_is_walked_in_order_and_told_by_content() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("b")).unwrap();
        fs::write(folder.path().join("b/anything.txt"), HISTORY).unwrap();
        fs::write(folder.path().join("a.json"), "{\"playlists\": []}").unwrap();
        fs::write(folder.path().join("z.zip"), b"PK\x03\x04 and no more").unwrap();
        fs::write(folder.path().join("z.json.gz"), b"\x1f\x8b\x08").unwrap();
        let found = find(folder.path(), &FileAccess::Anywhere).unwrap();
        let name = default_user(folder.path());
        let kinds: Vec<_> = found
            .inputs
            .iter()
            .map(|input| (input.label.clone(), input.kind))
            .collect();
        assert_eq!(
            kinds,
            [
                (format!("{name}/a.json"), Kind::OtherJson),
                (format!("{name}/b/anything.txt"), Kind::History)
            ]
        );
        for (broken, file) in found.unreadable.iter().zip(["z.json.gz", "z.zip"]) {
            assert_eq!(broken.label, format!("{name}/{file}"));
            assert_eq!(broken.reason, "the file is cut off: download it again");
        }
        assert_eq!(found.unreadable.len(), 2);
    }

    #[test]
    fn only_allowed_folders_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("in"), folder.path().join("out"));
        fs::create_dir(&inside).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(inside.join("a.json"), HISTORY).unwrap();
        fs::write(outside.join("b.json"), HISTORY).unwrap();
        let access = FileAccess::Under(vec![inside.clone()]);
        assert_eq!(find(&inside, &access).unwrap().inputs.len(), 1);
        for path in [
            outside.join("b.json"),
            inside.join("../out/b.json"),
            outside.join("none"),
        ] {
            let error = find(&path, &access).unwrap_err().to_string();
            assert!(
                error.contains("--files DIR") && error.contains("out"),
                "{error}"
            );
        }
        let missing = find(&inside.canonicalize().unwrap().join("none"), &access).unwrap_err();
        assert!(matches!(missing, Error::NotFound(_)), "{missing}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_does_not_lead_out() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("in"), folder.path().join("out"));
        fs::create_dir(&inside).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("b.json"), HISTORY).unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("link")).unwrap();
        std::os::unix::fs::symlink(&inside, inside.join("loop")).unwrap();
        let found = find(&inside, &FileAccess::Under(vec![inside.clone()])).unwrap();
        assert!(found.inputs.is_empty());
        assert_eq!(found.unreadable.len(), 1);
        assert_eq!(
            find(&inside, &FileAccess::Anywhere).unwrap().inputs.len(),
            1
        );
    }
}
