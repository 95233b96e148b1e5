//! A file that appears when it is whole: what is cut short leaves nothing behind.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Written beside its place, and put there by [`StagedFile::commit`].
#[derive(Debug)]
pub(in crate::cli) struct StagedFile {
    out: BufWriter<File>,
    path: PathBuf,
    /// None where there is nothing to replace, as for a pipe.
    staged: Option<PathBuf>,
}

impl StagedFile {
    /// Begins the file that will be at `path`.
    pub(in crate::cli) fn begin(path: &Path) -> Result<Self> {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let is_other = fs::metadata(&path).is_ok_and(|known| !known.is_file());
        let (file, staged) = if is_other {
            (OpenOptions::new().write(true).open(&path), None)
        } else {
            let staged = beside(&path)?;
            (create_like(&staged, &path), Some(staged))
        };
        Ok(Self {
            out: BufWriter::new(file.map_err(Error::io(&path))?),
            path,
            staged,
        })
    }

    /// Puts the file in its place, instead of what was there.
    pub(in crate::cli) fn commit(mut self) -> Result<()> {
        self.out.flush().map_err(Error::io(&self.path))?;
        let Some(staged) = &self.staged else {
            return Ok(());
        };
        let file = self.out.get_ref();
        file.sync_all().map_err(Error::io(&self.path))?;
        fs::rename(staged, &self.path).map_err(Error::io(&self.path))?;
        self.staged = None;
        Ok(())
    }
}

/// A new file that as many may read as the one that it will replace, if there is one.
fn create_like(staged: &Path, replaced: &Path) -> io::Result<File> {
    let file = File::create_new(staged)?;
    if let Ok(known) = fs::metadata(replaced) {
        file.set_permissions(known.permissions())?;
    }
    Ok(file)
}

/// A name in the same folder, so that the file can be moved and not copied.
fn beside(path: &Path) -> Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| Error::Input(format!("{}: a folder, expected a file", path.display())))?;
    let staged = format!(".{}.{}", name.to_string_lossy(), uuid::Uuid::now_v7());
    Ok(path.with_file_name(staged))
}

impl Write for StagedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if let Some(staged) = &self.staged {
            // Whatever went wrong was told; a file that stays is no more than untidy.
            let _ = fs::remove_file(staged);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.csv");
        let names = || fs::read_dir(dir.path()).unwrap().count();
        let mut cut_short = StagedFile::begin(&path).unwrap();
        cut_short.write_all(b"half").unwrap();
        drop(cut_short);
        assert_eq!(names(), 0);
        fs::write(&path, "old").unwrap();
        let mut whole = StagedFile::begin(&path).unwrap();
        whole.write_all(b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        whole.commit().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn who_may_read_the_file_stays() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.csv");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        StagedFile::begin(&path).unwrap().commit().unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = StagedFile::begin(Path::new("/nowhere/rows.csv")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "/nowhere/rows.csv: No such file or directory"
        );
    }
}
