//! What a statement has given so far, for whoever watches it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Rows that came, and how long they were waited for. Clones share it.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Meter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    rows: AtomicU64,
    waited_nanos: AtomicU64,
}

impl Meter {
    /// Rows so far.
    pub(in crate::cli) fn rows(&self) -> u64 {
        self.0.rows.load(Ordering::Relaxed)
    }

    /// How long the lake took, without the time that its reader needed.
    pub(in crate::cli) fn waited(&self) -> Duration {
        Duration::from_nanos(self.0.waited_nanos.load(Ordering::Relaxed))
    }

    /// Times what the lake does.
    pub(in crate::cli) async fn waiting_for<T>(&self, work: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let done = work.await;
        let nanos = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.0.waited_nanos.fetch_add(nanos, Ordering::Relaxed);
        done
    }

    /// Counts rows that came.
    pub(in crate::cli) fn add(&self, rows: usize) {
        self.0.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }
}
