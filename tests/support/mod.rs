//! A moodlake server for tests: a fresh lake in a temporary directory, served on a free port of the loopback interface.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use datafusion::common::runtime::SpawnedTask;
use moodlake::engine::{Engine, FileAccess, Settings};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A running server. Dropping it stops the server and removes its lake.
pub(crate) struct TestServer {
    url: String,
    lake: TempDir,
    stop: oneshot::Sender<()>,
    task: SpawnedTask<moodlake::error::Result<()>>,
}

impl TestServer {
    /// Serves an empty lake. Files inside the repository and below the lake's own directory can be read by its SQL.
    pub(crate) async fn start() -> Result<Self> {
        let lake = tempfile::tempdir()?;
        let settings = Settings {
            dir: lake.path().join("lake"),
            files: FileAccess::Under(vec![repository(), lake.path().to_path_buf()]),
        };
        let engine = Engine::open(settings).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel::<()>();
        let task = SpawnedTask::spawn(async move {
            moodlake::server::serve(listener, engine, async move {
                let _ = stopped.await;
            })
            .await
        });
        Ok(Self {
            url,
            lake,
            stop,
            task,
        })
    }

    /// The address to connect to, such as `http://127.0.0.1:40123`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The directory that holds the lake and that a test may put files into.
    pub(crate) fn dir(&self) -> &Path {
        self.lake.path()
    }

    /// Stops the server and reports how it ended.
    pub(crate) async fn stop(self) -> Result<()> {
        let _ = self.stop.send(());
        self.task
            .join()
            .await
            .context("the server task panicked")??;
        Ok(())
    }
}

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
