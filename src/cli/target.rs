//! Which lake a command works on: a folder, opened in this process, or a server.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::client::{Address, Client, Credentials, Login};
use crate::engine::{Engine, FileAccess, Settings};
use crate::error::{Error, Result};
use crate::lake::SCHEMAS;
use crate::server::tls;

use super::password;

const VARIABLE: &str = "MOODLAKE_DIR";
const DEFAULT: &str = "./lake";
const TOKEN: &str = "MOODLAKE_TOKEN";

/// `--dir`, or `--server` and who connects.
#[derive(Debug, Args)]
pub(super) struct Target {
    #[command(flatten)]
    place: Place,
    /// The user of the server; the password comes from `$MOODLAKE_PASSWORD`, or is asked for
    // Both, for what conflicts with the server makes it required no more.
    #[arg(long, value_name = "NAME", requires = "server", conflicts_with = "dir")]
    user: Option<String>,
}

/// `--dir` or `--server`, for commands whose `--user` is somebody else: who connects is in the address.
#[derive(Debug, Args)]
pub(super) struct Place {
    #[command(flatten)]
    folder: Folder,
    /// A running server instead of a folder, such as `grpc://127.0.0.1:50051` or `grpc+tls://ada@example.org:50051`;
    /// `$MOODLAKE_TOKEN`, or the user's `$MOODLAKE_PASSWORD`, says who connects
    #[arg(long, value_name = "URL", value_parser = server_url, conflicts_with = "dir")]
    server: Option<String>,
    /// The certificate (PEM) of whoever signed the server's [default: those that the system trusts]
    #[arg(long, value_name = "FILE", requires = "server", conflicts_with = "dir")]
    ca: Option<PathBuf>,
    /// Send the password or token to another machine without TLS
    #[arg(long, requires = "server", conflicts_with = "dir")]
    insecure: bool,
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
    /// The lake, which has to be there: what is mistyped must not become a second one.
    pub(super) async fn connect_existing(&self) -> Result<Client> {
        if self.place.server.is_none() {
            self.place.folder.existing()?;
        }
        self.place.connect_as(self.user.as_deref()).await
    }
}

impl Place {
    /// The lake, which is made if it is not there.
    pub(super) async fn connect(&self) -> Result<Client> {
        self.connect_as(None).await
    }

    async fn connect_as(&self, user: Option<&str>) -> Result<Client> {
        match &self.server {
            Some(url) => Client::connect_as(url, &self.login(url, user)?).await,
            None => Ok(Client::Local(
                open(&self.folder.path(), FileAccess::Anywhere).await?,
            )),
        }
    }

    /// Who connects: the user who is named, with a password; else whoever has the token.
    fn login(&self, url: &str, user: Option<&str>) -> Result<Login> {
        let address: Address = url.parse()?;
        let credentials = match user.map(ToString::to_string).or(address.user) {
            Some(user) => Credentials::Password {
                password: password::known_or_asked(&user)?,
                user,
            },
            None => password::secret(TOKEN).map_or(Credentials::None, Credentials::Token),
        };
        let authority = self.ca.as_ref().map(|path| tls::pem(path, "CERTIFICATE"));
        Ok(Login {
            credentials,
            authority: authority.transpose()?,
            insecure: self.insecure,
        })
    }
}

/// As arguments of a further command on the same lake.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.server, &self.folder.dir) {
            (Some(url), _) => {
                write!(f, " --server {url}")?;
                if let Some(ca) = &self.ca {
                    write!(f, " --ca {}", ca.display())?;
                }
                f.write_str(if self.insecure { " --insecure" } else { "" })
            }
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
    text.parse::<Address>().map(|_| text.to_string())
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

    /// The folder of a lake that is there, or an empty one.
    ///
    /// # Errors
    /// [`Error::NotFound`] for any other: what is mistyped must not become a second lake.
    pub(super) fn existing(&self) -> Result<PathBuf> {
        let dir = self.path();
        if is_lake(&dir) {
            return Ok(dir);
        }
        Err(Error::NotFound(format!(
            "{}: there is no lake here; `moodlake import` or `moodlake demo` makes one, and an empty folder becomes one",
            dir.display()
        )))
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
