//! Runs the built `moodlake` as a user would.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// What a finished run left behind.
#[derive(Debug)]
pub(crate) struct Run {
    /// The exit code; -1 when a signal ended it.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Run {
    /// Itself, if it succeeded.
    pub(crate) fn ok(self) -> Result<Self> {
        ensure!(
            self.code == 0,
            "exit code {}: {}{}",
            self.code,
            self.stdout,
            self.stderr
        );
        Ok(self)
    }
}

/// The program with the given arguments, without anything of the tester's environment.
pub(crate) fn command<I: AsRef<OsStr>>(arguments: &[I]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_moodlake"));
    command.args(arguments).stdin(Stdio::null());
    for (variable, _) in std::env::vars_os() {
        let is_ours = variable
            .to_str()
            .is_some_and(|name| name.starts_with("MOODLAKE_"));
        if is_ours || variable == "RUST_LOG" || variable == "RUST_BACKTRACE" {
            command.env_remove(variable);
        }
    }
    command
}

/// Runs the program to its end.
pub(crate) fn moodlake<I: AsRef<OsStr>>(arguments: &[I]) -> Result<Run> {
    finish(&mut command(arguments))
}

/// Runs a prepared command to its end.
pub(crate) fn finish(command: &mut Command) -> Result<Run> {
    let output = command.output().context("moodlake does not start")?;
    Ok(Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}

/// The rows of a query on the lake in `dir`, each field as text, the header left out.
pub(crate) fn rows(dir: &Path, sql: &str) -> Result<Vec<Vec<String>>> {
    let run = moodlake(&[
        OsStr::new("sql"),
        OsStr::new(sql),
        OsStr::new("--dir"),
        dir.as_os_str(),
        OsStr::new("--format"),
        OsStr::new("csv"),
    ])?
    .ok()?;
    let mut reader = csv::Reader::from_reader(run.stdout.as_bytes());
    let records = reader.records().collect::<csv::Result<Vec<_>>>()?;
    Ok(records
        .iter()
        .map(|record| record.iter().map(ToString::to_string).collect())
        .collect())
}
