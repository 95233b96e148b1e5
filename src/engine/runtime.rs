//! Where statements get memory and disk from.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

use datafusion::execution::{
    disk_manager::{DiskManagerBuilder, DiskManagerMode},
    runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
};

use super::memory::AllStatements;
use crate::{
    error::{Error, Result},
    limits::Limits,
};

const LOCK: &str = "lock";

/// What all statements of an engine share.
#[derive(Debug)]
pub(crate) struct Runtime {
    pub(crate) shared: Arc<RuntimeEnv>,
    /// Removed when the engine ends.
    _spill: Option<SpillFolder>,
}

impl Runtime {
    pub(crate) fn new(limits: &Limits) -> Result<Self> {
        let spill = limits
            .spill_dir
            .as_deref()
            .map(SpillFolder::make)
            .transpose()?;
        let mode = match &spill {
            Some(folder) => DiskManagerMode::Directories(vec![folder.path.clone()]),
            None => DiskManagerMode::OsTmpDirectory,
        };
        let most = if limits.spill == 0 {
            u64::MAX
        } else {
            limits.spill
        };
        let disk = DiskManagerBuilder::default()
            .with_mode(mode)
            .with_max_temp_directory_size(most);
        let shared = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(AllStatements::new(limits)))
            .with_disk_manager_builder(disk)
            .build_arc()?;
        Ok(Self {
            shared,
            _spill: spill,
        })
    }
}

/// A folder for the files of one process, which holds a lock as long as it lives: so the next one can tell what was left
/// behind from what is in use.
#[derive(Debug)]
struct SpillFolder {
    path: PathBuf,
    _lock: File,
}

impl SpillFolder {
    /// A folder of its own under `parent`, where those of processes that are gone are removed.
    fn make(parent: &Path) -> Result<Self> {
        fs::create_dir_all(parent).map_err(Error::io(parent))?;
        remove_abandoned(parent)?;
        let path = parent.join(format!("moodlake-{}", uuid::Uuid::now_v7()));
        let staged = path.with_extension("staged");
        // Nobody may see the folder before its lock is held.
        fs::create_dir(&staged).map_err(Error::io(&staged))?;
        let lock_path = staged.join(LOCK);
        let lock = File::create(&lock_path).map_err(Error::io(&lock_path))?;
        lock.lock().map_err(Error::io(&lock_path))?;
        fs::rename(&staged, &path).map_err(Error::io(&path))?;
        Ok(Self { path, _lock: lock })
    }
}

impl Drop for SpillFolder {
    fn drop(&mut self) {
        // What stays is removed by the next process.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn remove_abandoned(parent: &Path) -> Result<()> {
    for entry in fs::read_dir(parent).map_err(Error::io(parent))?.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let is_ours = name
            .to_str()
            .is_some_and(|name| name.starts_with("moodlake-") && !name.ends_with(".staged"));
        if !is_ours {
            continue;
        }
        let is_abandoned = match File::open(path.join(LOCK)) {
            Ok(lock) => lock.try_lock().is_ok(),
            Err(_) => true,
        };
        if is_abandoned {
            tracing::info!(folder = %path.display(), "removing what another process spilled");
            // Two processes may try this at once.
            let _ = fs::remove_dir_all(&path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_process_left_is_removed_and_what_is_in_use_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let left = parent.path().join("moodlake-left");
        fs::create_dir(&left).unwrap();
        fs::write(left.join(LOCK), "").unwrap();
        fs::write(left.join("rows.arrow"), "rows").unwrap();
        let one = SpillFolder::make(parent.path()).unwrap();
        assert!(!left.exists());
        let other = SpillFolder::make(parent.path()).unwrap();
        assert!(one.path.exists());
        let path = one.path.clone();
        drop(one);
        assert!(!path.exists() && other.path.exists());
    }
}
