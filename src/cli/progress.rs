//! What runs and how long it took, on standard error: one line that changes on a terminal, one line
//! a step elsewhere, unless a report on the same stream of text says it anyway.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::pipeline::{Event, seconds};

/// Clears the line and returns to its start.
const CLEAR_LINE: &str = "\r\x1b[2K";

/// Reports steps as they happen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    in_place: bool,
    tells_steps: bool,
}

/// A step under way.
pub(super) struct Step {
    progress: Progress,
    name: &'static str,
    started: Instant,
}

impl Progress {
    pub(super) fn new() -> Self {
        let in_place = io::stderr().is_terminal();
        Self {
            in_place,
            tells_steps: !in_place,
        }
    }

    /// Without a line for each step of a build: the report has them.
    pub(super) fn without_steps(self) -> Self {
        Self {
            tells_steps: false,
            ..self
        }
    }

    /// Starts a step of the command.
    pub(super) fn step(self, name: &'static str, detail: &str) -> Step {
        self.show(&format!("{name:<9} {detail} ..."));
        Step {
            progress: self,
            name,
            started: Instant::now(),
        }
    }

    /// Follows a build.
    pub(super) fn build_event(self, event: Event<'_>) {
        match event {
            Event::Started { name, done, of } => {
                self.show(&format!("build     {}/{of} {name} ...", done + 1));
            }
            Event::Ran { name, elapsed } if self.tells_steps => {
                self.note(&format!("build     {name} {}", seconds(elapsed)));
            }
            Event::Ran { .. } => {}
        }
    }

    /// Writes a line that stays.
    pub(super) fn note(self, line: &str) {
        let clear = if self.in_place { CLEAR_LINE } else { "" };
        write(&format!("{clear}{line}\n"));
    }

    /// Takes away the line that changes.
    pub(super) fn clear(self) {
        if self.in_place {
            write(CLEAR_LINE);
        }
    }

    /// Writes the line that changes, where there is one.
    pub(super) fn show(self, line: &str) {
        if self.in_place {
            write(&format!("{CLEAR_LINE}{line}"));
        }
    }
}

impl Step {
    /// Ends the step with what came of it.
    pub(super) fn done(self, result: &str) {
        let took = seconds(self.elapsed());
        self.progress
            .note(&format!("{:<9} {result} ({took})", self.name));
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Progress is a courtesy: where standard error is closed, the work goes on.
fn write(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr
        .write_all(text.as_bytes())
        .and_then(|()| stderr.flush());
}
