//! Who guesses passwords waits: one attempt at a time for each user name and address, and after some wrong ones each
//! takes longer than the one before.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex as Plain, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::error::{Error, Result};

/// Wrong passwords that cost nothing: people mistype.
const FREE_FAILURES: u32 = 5;
const FIRST_DELAY: Duration = Duration::from_millis(250);
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// Wrong passwords are forgotten after this long.
const MEMORY: Duration = Duration::from_mins(15);
/// How long an attempt waits for those before it.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Names and addresses that are watched at a time.
const MAX_WATCHED: usize = 10_000;

/// A user name, and from where it was tried. The address is part of it, so that nobody can keep a user out by guessing
/// wrong from elsewhere.
type Who = (String, Option<IpAddr>);

/// The wrong passwords of late.
#[derive(Default)]
pub(super) struct Throttle {
    watched: Plain<HashMap<Who, Arc<Mutex<Failures>>>>,
}

/// Wrong passwords in a row.
#[derive(Debug, Default)]
pub(super) struct Failures {
    count: u32,
    last: Option<Instant>,
}

/// The right to try, which nobody else has for the same name and address meanwhile.
pub(super) struct Turn(OwnedMutexGuard<Failures>);

impl Throttle {
    /// Waits for the turn to try.
    ///
    /// # Errors
    /// [`Error::Exhausted`] when too many try at once.
    pub(super) async fn turn(&self, user: &str, from: Option<IpAddr>) -> Result<Turn> {
        let failures = self.failures((user.to_string(), from));
        match tokio::time::timeout(LONGEST_WAIT, failures.lock_owned()).await {
            Ok(failures) => Ok(Turn(failures)),
            Err(_) => Err(Error::Exhausted(format!(
                "too many attempts to log in as '{user}' from one address: wait, and try one at a time"
            ))),
        }
    }

    fn failures(&self, who: Who) -> Arc<Mutex<Failures>> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if watched.len() >= MAX_WATCHED {
            watched.retain(|_, failures| is_of_use(failures));
        }
        if watched.len() >= MAX_WATCHED {
            watched.retain(|_, failures| Arc::strong_count(failures) > 1);
        }
        Arc::clone(watched.entry(who).or_default())
    }
}

/// Whether somebody is trying, or tried wrongly of late.
fn is_of_use(failures: &Arc<Mutex<Failures>>) -> bool {
    let is_recent = |failures: &Mutex<Failures>| {
        let failures = failures.try_lock();
        failures.is_ok_and(|failures| failures.last.is_some_and(|last| last.elapsed() < MEMORY))
    };
    Arc::strong_count(failures) > 1 || is_recent(failures)
}

impl Turn {
    /// Waits as long as the wrong passwords before this one ask for.
    pub(super) async fn wait(&mut self) {
        if self.0.last.is_some_and(|last| last.elapsed() >= MEMORY) {
            *self.0 = Failures::default();
        }
        let delay = delay_after(self.0.count);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }

    /// Ends the turn.
    pub(super) fn end(mut self, was_right: bool) {
        *self.0 = if was_right {
            Failures::default()
        } else {
            Failures {
                count: self.0.count.saturating_add(1),
                last: Some(Instant::now()),
            }
        };
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
    use super::*;

    #[test]
    fn each_wrong_password_after_five_takes_twice_as_long() {
        let delays: Vec<u128> = [0, 4, 5, 6, 7, 9, 10, u32::MAX]
            .map(|failures| delay_after(failures).as_millis())
            .into();
        assert_eq!(delays, [0, 0, 250, 500, 1000, 4000, 5000, 5000]);
    }

    #[tokio::test]
    async fn a_right_password_ends_the_waiting_and_other_names_never_wait() {
        let throttle = Throttle::default();
        for _ in 0..FREE_FAILURES {
            throttle.turn("ada", None).await.unwrap().end(false);
        }
        let turn = throttle.turn("ada", None).await.unwrap();
        assert_eq!(turn.0.count, FREE_FAILURES);
        let elsewhere = Some(IpAddr::from([192, 0, 2, 1]));
        assert_eq!(throttle.turn("ada", elsewhere).await.unwrap().0.count, 0);
        assert_eq!(throttle.turn("bob", None).await.unwrap().0.count, 0);
        turn.end(true);
        assert_eq!(throttle.turn("ada", None).await.unwrap().0.count, 0);
    }

    #[tokio::test]
    async fn one_name_is_tried_once_at_a_time() {
        let throttle = Throttle::default();
        let turn = throttle.turn("ada", None).await.unwrap();
        let next = throttle.turn("ada", None);
        futures::pin_mut!(next);
        assert!(futures::poll!(&mut next).is_pending());
        turn.end(false);
        assert_eq!(next.await.unwrap().0.count, 1);
    }

    #[test]
    fn a_flood_of_names_does_not_fill_the_memory() {
        let throttle = Throttle::default();
        for number in 0..=MAX_WATCHED {
            throttle.failures((number.to_string(), None));
        }
        assert!(throttle.watched.lock().unwrap().len() <= MAX_WATCHED);
    }
}
