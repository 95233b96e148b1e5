//! What time it is, for everything that expires.

use std::{fmt, sync::Arc, time::SystemTime};

/// A clock: the machine's, or one that a test moves.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// The time now.
    pub(crate) fn now(&self) -> SystemTime {
        (self.0)()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self(Arc::new(SystemTime::now))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

#[cfg(test)]
pub(crate) mod test {
    //! A clock that stands still until it is moved.

    use std::{
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
        time::{Duration, SystemTime},
    };

    use super::Clock;

    /// Moves the clock that it came with.
    pub(crate) struct Hand(Arc<AtomicU64>);

    /// A clock, and its hand.
    pub(crate) fn clock() -> (Clock, Hand) {
        let seconds = Arc::new(AtomicU64::new(1_800_000_000));
        let shown = Arc::clone(&seconds);
        let clock = Clock(Arc::new(move || {
            SystemTime::UNIX_EPOCH + Duration::from_secs(shown.load(Ordering::Relaxed))
        }));
        (clock, Hand(seconds))
    }

    impl Hand {
        pub(crate) fn advance(&self, duration: Duration) {
            self.0.fetch_add(duration.as_secs(), Ordering::Relaxed);
        }
    }
}
