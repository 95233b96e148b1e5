//! Who may run now: so many statements at once in all and of one user; the others wait, users in turn, and each user's in
//! the order in which they came.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::oneshot, time::timeout};

use crate::{
    error::{Error, Result},
    limits::{Limits, Span, is_within},
};

/// The places there are, and who waits for one.
#[derive(Debug)]
pub(crate) struct Queue {
    limits: Arc<Limits>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: u64,
    waiting: u64,
    users: HashMap<String, User>,
    /// Users who wait, in the order in which it is their turn.
    turns: VecDeque<String>,
}

#[derive(Debug, Default)]
struct User {
    running: u64,
    waiting: VecDeque<oneshot::Sender<Place>>,
}

/// The right to run. Dropping it lets the next one run.
pub(crate) struct Place {
    queue: Arc<Queue>,
    user: String,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({})", self.user)
    }
}

/// What asking for a place gives.
enum Asked {
    Given(Place),
    Wait(oneshot::Receiver<Place>),
}

impl Asked {
    async fn place(self) -> Result<Place> {
        match self {
            Self::Given(place) => Ok(place),
            Self::Wait(turn) => turn
                .await
                .map_err(|_| Error::Internal("a waiting statement was forgotten".into())),
        }
    }
}

impl Queue {
    pub(crate) fn new(limits: Arc<Limits>) -> Arc<Self> {
        Arc::new(Self {
            limits,
            state: Mutex::default(),
        })
    }

    /// A place for a statement of `user`, at once if there is one, or when others have ended.
    ///
    /// # Errors
    /// [`Error::Exhausted`] when too many wait already, or it takes too long.
    pub(crate) async fn place(self: &Arc<Self>, user: &str) -> Result<Place> {
        let asked = self.ask(user, self.limits.queued)?;
        let longest = self.limits.queue_time;
        if longest.is_zero() {
            return asked.place().await;
        }
        let late = |_| {
            let (running, waiting) = self.numbers();
            Error::Exhausted(format!(
                "the statement waited for {} and did not get to run: {running} others run and {waiting} wait \
                 (--queue-timeout, --concurrency and --user-concurrency); try again later",
                Span(longest)
            ))
        };
        timeout(longest, asked.place()).await.map_err(late)?
    }

    /// A place for a statement that had one and gave it up. It waits in turn, but is not refused any more: part of its
    /// result may be with its client.
    ///
    /// # Errors
    /// Never in practice.
    pub(crate) async fn place_again(self: &Arc<Self>, user: &str) -> Result<Place> {
        self.ask(user, u64::MAX)?.place().await
    }

    /// How many run, and how many wait.
    pub(crate) fn numbers(&self) -> (u64, u64) {
        let mut state = self.lock();
        state.forget_gone();
        (state.running, state.waiting)
    }

    /// Asks for a place, or to be one of at most `most` who wait.
    fn ask(self: &Arc<Self>, user: &str, most: u64) -> Result<Asked> {
        let mut state = self.lock();
        let own = state.users.get(user).map_or(0, |user| user.running);
        let is_free = is_within(state.running + 1, self.limits.running)
            && is_within(own + 1, self.limits.running_per_user);
        // Whoever waits for a place of all goes first; whoever waits for one of their own does not hold others up.
        if is_free && !state.turns.iter().any(|next| self.is_ready(&state, next)) {
            return Ok(Asked::Given(self.give(&mut state, user)));
        }
        if state.waiting >= most {
            state.forget_gone();
        }
        if state.waiting >= most {
            return Err(Error::Exhausted(format!(
                "{} statements run and {} wait, which is the most (--concurrency {}, --user-concurrency {}, \
                 --queue {}); try again later",
                state.running,
                state.waiting,
                self.limits.running,
                self.limits.running_per_user,
                self.limits.queued
            )));
        }
        let (sender, receiver) = oneshot::channel();
        state.waiting += 1;
        let waiting = &mut state.users.entry(user.to_string()).or_default().waiting;
        let is_first = waiting.is_empty();
        waiting.push_back(sender);
        if is_first {
            state.turns.push_back(user.to_string());
        }
        Ok(Asked::Wait(receiver))
    }

    fn give(self: &Arc<Self>, state: &mut State, user: &str) -> Place {
        state.running += 1;
        state.users.entry(user.to_string()).or_default().running += 1;
        Place {
            queue: Arc::clone(self),
            user: user.to_string(),
        }
    }

    fn is_ready(&self, state: &State, user: &str) -> bool {
        let running = state.users.get(user).map_or(0, |user| user.running);
        is_within(running + 1, self.limits.running_per_user)
    }

    fn release(self: &Arc<Self>, user: &str) {
        // Places that nobody took are dropped after the lock.
        let mut declined = Vec::new();
        let mut state = self.lock();
        state.running -= 1;
        if let Some(own) = state.users.get_mut(user) {
            own.running -= 1;
            if own.running == 0 && own.waiting.is_empty() {
                state.users.remove(user);
            }
        }
        while is_within(state.running + 1, self.limits.running) {
            let next = state
                .turns
                .iter()
                .position(|next| self.is_ready(&state, next));
            let Some(user) = next.and_then(|next| state.turns.remove(next)) else {
                break;
            };
            let Some(waiting) = state.users.get_mut(&user).map(|user| &mut user.waiting) else {
                continue;
            };
            let Some(sender) = waiting.pop_front() else {
                continue;
            };
            let has_more = !waiting.is_empty();
            state.waiting -= 1;
            if has_more {
                state.turns.push_back(user.clone());
            }
            if sender.is_closed() {
                continue;
            }
            let place = self.give(&mut state, &user);
            if let Err(place) = sender.send(place) {
                declined.push(place);
            }
        }
        drop(state);
        drop(declined);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Leaves out those who no longer wait.
    fn forget_gone(&mut self) {
        self.waiting = 0;
        for user in self.users.values_mut() {
            user.waiting.retain(|sender| !sender.is_closed());
            self.waiting += user.waiting.len() as u64;
        }
        let users = &self.users;
        self.turns
            .retain(|user| users.get(user).is_some_and(|user| !user.waiting.is_empty()));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.release(&self.user);
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, time::Duration};

    use futures::{FutureExt, poll};

    use super::*;

    fn queue(running: u64, running_per_user: u64, queued: u64) -> Arc<Queue> {
        Queue::new(Arc::new(Limits {
            running,
            running_per_user,
            queued,
            queue_time: Duration::from_millis(20),
            ..Limits::default()
        }))
    }

    #[tokio::test]
    async fn users_take_turns() {
        let queue = queue(1, 1, 8);
        let held = queue.place("ada").await.unwrap();
        let mut ada = pin!(queue.place("ada"));
        let mut again = pin!(queue.place("ada"));
        let mut bob = pin!(queue.place("bob"));
        for waiting in [&mut ada, &mut again, &mut bob] {
            assert!(poll!(waiting).is_pending());
        }
        assert_eq!(queue.numbers(), (1, 3));
        drop(held);
        let held = ada.now_or_never().unwrap().unwrap();
        assert!(poll!(&mut bob).is_pending());
        drop(held);
        // Bob came last, but it is his turn.
        assert!(poll!(&mut again).is_pending());
        let held = bob.now_or_never().unwrap().unwrap();
        drop(held);
        assert!(again.now_or_never().unwrap().is_ok());
        assert_eq!(queue.numbers(), (0, 0));
    }

    #[tokio::test]
    async fn a_user_who_has_enough_holds_nobody_up() {
        let queue = queue(3, 1, 8);
        let _held = queue.place("ada").await.unwrap();
        let mut more = pin!(queue.place("ada"));
        assert!(poll!(&mut more).is_pending());
        assert!(queue.place("bob").now_or_never().unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_queue_is_bounded_in_length_and_time() {
        let queue = queue(1, 1, 1);
        let held = queue.place("ada").await.unwrap();
        let mut waiting = pin!(queue.place("bob"));
        assert!(poll!(&mut waiting).is_pending());
        let full = queue.place("bob").await.unwrap_err().to_string();
        assert!(
            full.contains("1 statements run and 1 wait") && full.contains("--queue 1"),
            "{full}"
        );
        let late = waiting.await.unwrap_err().to_string();
        assert!(
            late.contains("waited for 20ms") && late.contains("--queue-timeout"),
            "{late}"
        );
        drop(held);
        assert_eq!(queue.numbers(), (0, 0));
        assert!(queue.place("bob").now_or_never().unwrap().is_ok());
    }

    #[tokio::test]
    async fn whoever_had_a_place_is_not_refused_another() {
        let queue = queue(1, 1, 0);
        let held = queue.place("ada").await.unwrap();
        assert!(queue.place("bob").await.is_err());
        let mut again = pin!(queue.place_again("bob"));
        // Longer than the queue's time.
        let waited = timeout(Duration::from_millis(60), &mut again).await;
        assert!(waited.is_err(), "{waited:?}");
        drop(held);
        assert!(again.now_or_never().unwrap().is_ok());
    }

    #[tokio::test]
    async fn whoever_gave_up_waiting_holds_no_place() {
        let queue = queue(1, 1, 4);
        let held = queue.place("ada").await.unwrap();
        {
            let mut gone = pin!(queue.place("bob"));
            assert!(poll!(&mut gone).is_pending());
        }
        drop(held);
        assert_eq!(queue.numbers(), (0, 0));
    }
}
