//! Which lake a command works on: a folder, opened in this process, or a server.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::client::Client;
use crate::engine::{Engine, FileAccess, Settings};
use crate::error::Result;

const VARIABLE: &str = "MOODLAKE_DIR";
const DEFAULT: &str = "./lake";

/// `--dir` or `--server`.
#[derive(Debug, Args)]
pub(super) struct Target {
    #[command(flatten)]
    folder: Folder,
    /// A running server instead of a folder, such as `grpc://127.0.0.1:50051`
    #[arg(long, value_name = "URL", conflicts_with = "dir")]
    server: Option<String>,
}

/// `--dir`.
#[derive(Debug, Args)]
pub(super) struct Folder {
    /// The lake's folder [default: `$MOODLAKE_DIR` or ./lake]
    // Not clap's `env`: a variable that is set must not conflict with `--server`.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Target {
    pub(super) async fn connect(&self) -> Result<Client> {
        match &self.server {
            Some(url) => Client::connect(url).await,
            None => Ok(Client::Local(
                open(&self.folder.path(), FileAccess::Anywhere).await?,
            )),
        }
    }
}

impl Folder {
    /// The flag, else the variable, else the default.
    pub(super) fn path(&self) -> PathBuf {
        let named = self
            .dir
            .clone()
            .or_else(|| std::env::var_os(VARIABLE).map(PathBuf::from));
        named
            .filter(|dir| !dir.as_os_str().is_empty())
            .unwrap_or_else(|| PathBuf::from(DEFAULT))
    }
}

/// The engine on the lake in `dir`.
pub(super) async fn open(dir: &Path, files: FileAccess) -> Result<Engine> {
    Engine::open(Settings {
        dir: dir.to_path_buf(),
        files,
    })
    .await
}
