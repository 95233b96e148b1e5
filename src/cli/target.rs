//! Which lake a command works on: a folder, opened in this process, or a server.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::client::{Client, endpoint};
use crate::engine::{Engine, FileAccess, Settings};
use crate::error::{Error, Result};
use crate::lake::SCHEMAS;

const VARIABLE: &str = "MOODLAKE_DIR";
const DEFAULT: &str = "./lake";

/// `--dir` or `--server`.
#[derive(Debug, Args)]
pub(super) struct Target {
    #[command(flatten)]
    folder: Folder,
    /// A running server instead of a folder, such as `grpc://127.0.0.1:50051`
    #[arg(long, value_name = "URL", value_parser = server_url, conflicts_with = "dir")]
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
    /// The lake, which is made if it is not there.
    pub(super) async fn connect(&self) -> Result<Client> {
        match &self.server {
            Some(url) => Client::connect(url).await,
            None => Ok(Client::Local(
                open(&self.folder.path(), FileAccess::Anywhere).await?,
            )),
        }
    }

    /// The lake, which has to be there: what is mistyped must not become a second one.
    pub(super) async fn connect_existing(&self) -> Result<Client> {
        let dir = self.folder.path();
        if self.server.is_none() && !is_lake(&dir) {
            return Err(Error::NotFound(format!(
                "{}: there is no lake here; `moodlake import` or `moodlake demo` makes one",
                dir.display()
            )));
        }
        self.connect().await
    }
}

/// As arguments of a further command on the same lake.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.server, &self.folder.dir) {
            (Some(url), _) => write!(f, " --server {url}"),
            (None, Some(dir)) => write!(f, " --dir {}", dir.display()),
            (None, None) => Ok(()),
        }
    }
}

/// Whether `dir` holds a lake, or is an empty folder that was made to hold one.
fn is_lake(dir: &Path) -> bool {
    let is_empty = || std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
    SCHEMAS.iter().all(|schema| dir.join(schema).is_dir()) || is_empty()
}

fn server_url(text: &str) -> Result<String> {
    endpoint(text).map(|_| text.to_string())
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
