//! Who guesses passwords waits: one attempt at a time for each user name and address, and after some wrong ones each
//! takes longer than the one before. Few may wait then, so that everybody who does gets their turn; and who sends again
//! what was wrong takes no turn from others.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{
        Arc, Mutex as Plain, PoisonError,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use blake3::Hash;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::error::{Error, Result};

/// Wrong passwords that cost nothing: people mistype.
const FREE_FAILURES: u32 = 5;
const FIRST_DELAY: Duration = Duration::from_millis(250);
const LONGEST_DELAY: Duration = Duration::from_secs(2);
/// Wrong passwords are forgotten after this long.
const MEMORY: Duration = Duration::from_mins(15);
/// Attempts that wait when each has to be delayed; the last of them waits half a minute.
const MOST_DELAYED: usize = 12;
/// Attempts that wait at all: a pool of connections logs in at once.
const MOST_WAITING: usize = 512;
/// How long an attempt waits for those before it.
const LONGEST_WAIT: Duration = Duration::from_secs(40);
/// Wrong passwords that are remembered, by their marks.
const MOST_REMEMBERED: usize = 32;
/// Names and addresses that are watched at a time.
const MAX_WATCHED: usize = 10_000;

/// A user name, and from where it was tried. The address is part of it, so that nobody can keep a user out by guessing
/// wrong from elsewhere.
type Who = (String, Option<IpAddr>);

/// The wrong passwords of late.
#[derive(Default)]
pub(super) struct Throttle {
    watched: Plain<HashMap<Who, Arc<Line>>>,
}

/// Those who try one name from one address.
#[derive(Default)]
struct Line {
    failures: Arc<Mutex<Failures>>,
    /// As in `failures`, to be read while somebody else has the turn.
    count: AtomicU32,
    waiting: AtomicUsize,
    wrong: Plain<VecDeque<Hash>>,
}

/// Wrong passwords in a row.
#[derive(Debug, Default)]
struct Failures {
    count: u32,
    last: Option<Instant>,
}

/// The right to try, which nobody else has for the same name and address meanwhile.
pub(super) struct Turn {
    failures: OwnedMutexGuard<Failures>,
    line: Arc<Line>,
    mark: Hash,
}

/// A place in the line.
struct Waiting<'a>(&'a Line);

impl Throttle {
    /// Waits for the turn to try a password, of which `mark` is kept if it is wrong; none if it was wrong before.
    ///
    /// # Errors
    /// [`Error::Exhausted`] when too many try at once.
    pub(super) async fn turn(
        &self,
        user: &str,
        from: Option<IpAddr>,
        mark: Hash,
    ) -> Result<Option<Turn>> {
        let too_many = || {
            Error::Exhausted(format!(
                "too many attempts to log in as '{user}' from one address: wait, and try one at a time"
            ))
        };
        let line = self.line((user.to_string(), from));
        if line.was_wrong(mark) {
            return Ok(None);
        }
        let _waiting = line.wait().ok_or_else(too_many)?;
        let turn = Arc::clone(&line.failures).lock_owned();
        let failures = tokio::time::timeout(LONGEST_WAIT, turn).await;
        let failures = failures.map_err(|_| too_many())?;
        // Others may have tried the same meanwhile.
        if line.was_wrong(mark) {
            return Ok(None);
        }
        Ok(Some(Turn {
            failures,
            line: Arc::clone(&line),
            mark,
        }))
    }

    fn line(&self, who: Who) -> Arc<Line> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if watched.len() >= MAX_WATCHED {
            watched.retain(|_, line| is_of_use(line));
        }
        if watched.len() >= MAX_WATCHED {
            watched.retain(|_, line| Arc::strong_count(line) > 1);
        }
        Arc::clone(watched.entry(who).or_default())
    }
}

impl Line {
    /// A place in the line, if there is one.
    fn wait(&self) -> Option<Waiting<'_>> {
        let is_delayed = self.count.load(Ordering::Relaxed) >= FREE_FAILURES;
        let most = if is_delayed {
            MOST_DELAYED
        } else {
            MOST_WAITING
        };
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Waiting(self);
        (waiting < most).then_some(place)
    }

    fn was_wrong(&self, mark: Hash) -> bool {
        let wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.contains(&mark)
    }

    fn remember(&self, mark: Hash) {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.truncate(MOST_REMEMBERED - 1);
        wrong.push_front(mark);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether somebody is trying, or tried wrongly of late.
fn is_of_use(line: &Arc<Line>) -> bool {
    let is_recent = |failures: &Failures| failures.last.is_some_and(|last| last.elapsed() < MEMORY);
    Arc::strong_count(line) > 1
        || line
            .failures
            .try_lock()
            .is_ok_and(|failures| is_recent(&failures))
}

impl Turn {
    /// Waits as long as the wrong passwords before this one ask for.
    pub(super) async fn wait(&mut self) {
        let last = self.failures.last;
        if last.is_some_and(|last| last.elapsed() >= MEMORY) {
            self.note(Failures::default());
        }
        let delay = delay_after(self.failures.count);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }

    /// Ends the turn.
    pub(super) fn end(mut self, was_right: bool) {
        if was_right {
            return self.note(Failures::default());
        }
        self.line.remember(self.mark);
        let count = self.failures.count.saturating_add(1);
        self.note(Failures {
            count,
            last: Some(Instant::now()),
        });
    }

    fn note(&mut self, failures: Failures) {
        self.line.count.store(failures.count, Ordering::Relaxed);
        *self.failures = failures;
    }
}

fn delay_after(failures: u32) -> Duration {
    match failures.checked_sub(FREE_FAILURES) {
        None => Duration::ZERO,
        Some(more) => FIRST_DELAY
            .saturating_mul(2_u32.saturating_pow(more))
            .min(LONGEST_DELAY),
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, future::join_all};

    use super::*;

    async fn turn(throttle: &Throttle, user: &str, password: u32) -> Turn {
        let turn = throttle.turn(user, None, mark(password)).await.unwrap();
        turn.unwrap()
    }

    fn mark(password: u32) -> Hash {
        blake3::hash(&password.to_le_bytes())
    }

    #[test]
    fn each_wrong_password_after_five_takes_twice_as_long() {
        let delays: Vec<u128> = [0, 4, 5, 6, 7, 8, 9, u32::MAX]
            .map(|failures| delay_after(failures).as_millis())
            .into();
        assert_eq!(delays, [0, 0, 250, 500, 1000, 2000, 2000, 2000]);
    }

    #[tokio::test]
    async fn a_right_password_ends_the_waiting_and_other_names_never_wait() {
        let throttle = Throttle::default();
        for wrong in 0..FREE_FAILURES {
            turn(&throttle, "ada", wrong).await.end(false);
        }
        let tried = turn(&throttle, "ada", 100).await;
        assert_eq!(tried.failures.count, FREE_FAILURES);
        let elsewhere = Some(IpAddr::from([192, 0, 2, 1]));
        let other = throttle.turn("ada", elsewhere, mark(0)).await.unwrap();
        assert_eq!(other.unwrap().failures.count, 0);
        assert_eq!(turn(&throttle, "bob", 0).await.failures.count, 0);
        tried.end(true);
        assert_eq!(turn(&throttle, "ada", 100).await.failures.count, 0);
    }

    #[tokio::test]
    async fn one_name_is_tried_once_at_a_time() {
        let throttle = Throttle::default();
        let first = turn(&throttle, "ada", 1).await;
        let next = turn(&throttle, "ada", 2);
        futures::pin_mut!(next);
        assert!(futures::poll!(&mut next).is_pending());
        first.end(false);
        assert_eq!(next.await.failures.count, 1);
    }

    #[tokio::test]
    async fn a_pool_may_wait_and_guessers_only_in_a_short_line() {
        let throttle = Throttle::default();
        let held = turn(&throttle, "ada", 0).await;
        let pool = join_all((1..100).map(|_| throttle.turn("ada", None, mark(1))));
        assert!(pool.now_or_never().is_none());
        held.end(false);
        for wrong in 2..=FREE_FAILURES {
            turn(&throttle, "ada", wrong).await.end(false);
        }
        let held = turn(&throttle, "ada", 100).await;
        let attempts: Vec<_> = (0..MOST_DELAYED)
            .map(|_| Box::pin(throttle.turn("ada", None, mark(101))))
            .collect();
        let mut line = join_all(attempts);
        assert!(futures::poll!(&mut line).is_pending());
        let refused = throttle.turn("ada", None, mark(102)).now_or_never();
        assert!(matches!(refused, Some(Err(Error::Exhausted(_)))));
        // Whoever is in the line gets their turn.
        held.end(true);
        drop(line);
        assert!(
            throttle
                .turn("ada", None, mark(102))
                .now_or_never()
                .is_some()
        );
    }

    #[tokio::test]
    async fn what_was_wrong_takes_no_turn() {
        let throttle = Throttle::default();
        turn(&throttle, "ada", 1).await.end(false);
        let held = turn(&throttle, "ada", 2).await;
        let again = throttle.turn("ada", None, mark(1)).now_or_never();
        assert!(matches!(again, Some(Ok(None))));
        held.end(true);
        for wrong in 10..100 {
            let tried = turn(&throttle, "ada", wrong).await;
            assert!(tried.line.wrong.lock().unwrap().len() <= MOST_REMEMBERED);
            tried.end(false);
        }
    }

    #[test]
    fn a_flood_of_names_does_not_fill_the_memory() {
        let throttle = Throttle::default();
        for number in 0..=MAX_WATCHED {
            throttle.line((number.to_string(), None));
        }
        assert!(throttle.watched.lock().unwrap().len() <= MAX_WATCHED);
    }
}
