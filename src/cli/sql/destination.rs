//! Where rows go: to the screen, through a pager if they are longer than it, or into a file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use datafusion::execution::SendableRecordBatchStream;
use tokio::task::block_in_place;

use crate::cli::output::{Layout, RowFormat, StagedFile, write_rows};
use crate::cli::terminal;
use crate::error::{Error, Result};

use super::watch::Watch;

/// The ending of files that hold an Arrow stream, not an Arrow file.
const STREAM_ENDING: &str = "arrows";
/// Rows of the screen that the prompt and what follows a result take.
const PROMPT_ROWS: usize = 3;

/// Where the rows of one statement go.
#[derive(Debug, Clone)]
pub(super) struct Destination {
    pub(super) format: RowFormat,
    pub(super) file: Option<PathBuf>,
    /// What shows results that are higher than the terminal.
    pub(super) pager: Option<String>,
}

impl Destination {
    /// Writes the rows; of a file all or nothing.
    pub(super) async fn write(self, rows: SendableRecordBatchStream, watch: &Watch) -> Result<()> {
        let size = self.file.is_none().then(terminal::size).flatten();
        let ending = self.file.as_deref().and_then(Path::extension);
        let layout = Layout {
            format: self.format,
            width: size.map(|(_, columns)| columns),
            is_stream: self.file.is_none() || ending.is_some_and(|ending| ending == STREAM_ENDING),
        };
        let Some(path) = &self.file else {
            let mut screen = Screen::new(watch, self.pager, size.map(|(rows, _)| rows));
            write_rows(rows, layout, &mut screen, &watch.meter).await?;
            return block_in_place(|| screen.finish());
        };
        let mut file = StagedFile::begin(path)?;
        let written = write_rows(rows, layout, &mut file, &watch.meter).await;
        written.map_err(|error| match error {
            Error::Io { source, .. } => Error::io(path)(source),
            other => other,
        })?;
        file.commit()
    }
}

/// Shows a text as rows are shown.
pub(super) fn show(text: &str, watch: &Watch, pager: Option<String>) -> Result<()> {
    let mut screen = Screen::new(watch, pager, terminal::size().map(|(rows, _)| rows));
    let shown = block_in_place(|| {
        screen
            .write_all(format!("{}\n", text.trim_end()).as_bytes())
            .map_err(Error::io("standard output"))?;
        screen.finish()
    });
    match shown {
        // Whoever left the pager has seen enough.
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        shown => shown,
    }
}

/// The fault of a file whose format nobody knows.
pub(super) fn unknown_ending(path: &Path, remedy: &str) -> String {
    format!(
        "{}: its ending says no format; use .csv, .json, .ndjson, .arrow, .arrows, .parquet or .txt, or {remedy}",
        path.display()
    )
}

/// Standard output. On a terminal with a pager, what is written is held back until it is known
/// whether it fits.
struct Screen {
    watch: Watch,
    pager: Option<String>,
    is_terminal: bool,
    height: usize,
    held: Vec<u8>,
    lines: usize,
    is_direct: bool,
    child: Option<Child>,
}

impl Screen {
    fn new(watch: &Watch, pager: Option<String>, height: Option<usize>) -> Self {
        Self {
            watch: watch.clone(),
            is_direct: pager.is_none() || height.is_none(),
            pager,
            is_terminal: height.is_some(),
            height: height.unwrap_or_default().saturating_sub(PROMPT_ROWS),
            held: Vec::new(),
            lines: 0,
            child: None,
        }
    }

    /// Writes what was held back, and waits for the pager.
    fn finish(mut self) -> Result<()> {
        let held = std::mem::take(&mut self.held);
        self.is_direct = self.child.is_none();
        self.write_all(&held)
            .and_then(|()| self.flush())
            .map_err(Error::io("standard output"))
    }

    fn open_pager(&mut self) -> io::Result<()> {
        self.watch.yield_terminal();
        let Some(pager) = self.pager.take() else {
            return Ok(());
        };
        let child = Command::new("sh")
            .args(["-c", &pager])
            .stdin(Stdio::piped())
            .spawn();
        match child {
            Ok(child) => {
                self.watch.set_paged();
                self.child = Some(child);
            }
            // The rows matter more than how they are shown.
            Err(_) => self.is_direct = true,
        }
        let held = std::mem::take(&mut self.held);
        self.write_all(&held)
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(stdin) = self.child.as_mut().and_then(|child| child.stdin.as_mut()) {
            return stdin.write(bytes);
        }
        if self.is_direct {
            if self.is_terminal {
                self.watch.yield_terminal();
            }
            return io::stdout().write(bytes);
        }
        self.held.extend_from_slice(bytes);
        self.lines += bytes.split(|byte| *byte == b'\n').count() - 1;
        if self.lines > self.height {
            self.open_pager()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.child.as_mut().and_then(|child| child.stdin.as_mut()) {
            Some(stdin) => stdin.flush(),
            None => io::stdout().flush(),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.stdin.take());
            // Its exit code says nothing of the rows.
            let _ = child.wait();
        }
    }
}
