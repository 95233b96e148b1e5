//! A statement while it runs: a line that says how far it is, and Ctrl-C, which cancels it.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::cli::output::Meter;
use crate::cli::progress::Progress;
use crate::error::{Error, Result};
use crate::wording::counted;

/// Before that nobody wonders.
const QUICK: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(200);
/// How long a cancelled statement may take to let go before it is left to itself.
const LETTING_GO: Duration = Duration::from_secs(2);

/// What became of something that was watched.
pub(super) enum Watched<T> {
    Finished(T),
    Cancelled,
}

/// Watches one statement. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    pub(super) meter: Meter,
    progress: Progress,
    started: Instant,
    line: Arc<Mutex<Line>>,
    is_paged: Arc<AtomicBool>,
}

/// The line about what runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Absent,
    Shown,
    /// The terminal belongs to the rows now.
    Over,
}

impl Watch {
    pub(super) fn new(progress: Progress) -> Self {
        Self {
            meter: Meter::default(),
            progress,
            started: Instant::now(),
            line: Arc::new(Mutex::new(Line::Absent)),
            is_paged: Arc::default(),
        }
    }

    /// Does the work, unless Ctrl-C comes first.
    pub(super) async fn over<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<Watched<T>> {
        let mut tasks = JoinSet::new();
        tasks.spawn(work);
        let interrupted = tokio::signal::ctrl_c();
        tokio::pin!(interrupted);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let ended = loop {
            tokio::select! {
                Some(done) = tasks.join_next() => break finished(done),
                Ok(()) = &mut interrupted => {
                    self.let_go(tasks).await;
                    break Ok(Watched::Cancelled);
                }
                _ = ticks.tick() => self.tell(),
            }
        };
        self.clear();
        ended
    }

    /// Gives the terminal to the rows: the line does not come again.
    pub(super) fn yield_terminal(&self) {
        self.set(Line::Over);
    }

    /// Someone reads in a pager, for as long as they like.
    pub(super) fn set_paged(&self) {
        self.is_paged.store(true, Ordering::Relaxed);
    }

    /// How long it took, without the time of whoever read in a pager.
    pub(super) fn elapsed(&self) -> Duration {
        if self.is_paged.load(Ordering::Relaxed) {
            return self.meter.waited();
        }
        self.started.elapsed()
    }

    async fn let_go<T: 'static>(&self, mut tasks: JoinSet<T>) {
        if self.is_paged.load(Ordering::Relaxed) {
            tasks.shutdown().await;
        } else {
            // A task that does not let go in time ends by itself at its next step.
            let _ = timeout(LETTING_GO, tasks.shutdown()).await;
        }
    }

    fn tell(&self) {
        let elapsed = self.started.elapsed();
        if elapsed < QUICK {
            return;
        }
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if *line != Line::Over {
            self.progress.show(&told(elapsed, self.meter.rows()));
            *line = Line::Shown;
        }
    }

    fn clear(&self) {
        self.set(Line::Absent);
    }

    fn set(&self, next: Line) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if *line == Line::Shown {
            self.progress.clear();
        }
        if *line != Line::Over {
            *line = next;
        }
    }
}

fn told(elapsed: Duration, rows: u64) -> String {
    let seconds = elapsed.as_secs();
    if rows == 0 {
        return format!("running {seconds} s");
    }
    format!("running {seconds} s, {}", counted(rows, "row"))
}

/// What a task gave; its panic goes on here.
fn finished<T>(done: Result<Result<T>, JoinError>) -> Result<Watched<T>> {
    match done {
        Ok(done) => done.map(Watched::Finished),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(Error::Internal(error.to_string())),
    }
}

/// How long something took, as exactly as it matters.
pub(super) fn took(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds == 0 {
        return format!("{} ms", duration.as_millis());
    }
    if seconds < 60 {
        return format!("{:.2} s", duration.as_secs_f64());
    }
    format!("{} min {} s", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_as_exact_as_it_matters() {
        let texts = [4, 1234, 61_900].map(|millis| took(Duration::from_millis(millis)));
        assert_eq!(texts, ["4 ms", "1.23 s", "1 min 1 s"]);
        assert_eq!(
            told(Duration::from_secs(3), 1_000_000),
            "running 3 s, 1,000,000 rows"
        );
    }
}
