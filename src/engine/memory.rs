//! Memory of statements: each has a pool of its own, shared fairly between its operators, and all draw on one.
//!
//! An operator that is refused memory spills if it can. So a statement at its own limit spills, and so does whoever asks
//! when all together are at theirs.

use std::{
    fmt::{self, Display, Formatter},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use datafusion::{
    common::{DataFusionError, Result},
    execution::{
        memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation},
        runtime_env::RuntimeEnv,
    },
};

use super::Engine;
use crate::limits::{Bytes, Limits};

/// An operator that can spill may hold this part of its statement's memory, however many there are.
const LEAST_PART: usize = 32;
/// How often it is looked whether memory was given back, and how long.
const END_STEP: Duration = Duration::from_millis(2);
const LONGEST_END: Duration = Duration::from_secs(5);

/// The memory of all statements.
#[derive(Debug)]
pub(crate) struct AllStatements {
    limit: usize,
    limit_each: usize,
    used: AtomicUsize,
}

impl AllStatements {
    pub(crate) fn new(limits: &Limits) -> Self {
        let bytes = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        Self {
            limit: bytes(limits.memory),
            limit_each: bytes(limits.statement_memory.min(limits.memory)),
            used: AtomicUsize::new(0),
        }
    }

    fn take(&self, additional: usize) -> Result<(), usize> {
        let taken = |used: usize| {
            used.checked_add(additional)
                .filter(|used| additional == 0 || *used <= self.limit)
        };
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken)
            .map(|_| ())
    }
}

/// The runtime with memory for one statement, out of the memory of all.
pub(crate) fn for_one_statement(runtime: &Arc<RuntimeEnv>) -> Arc<RuntimeEnv> {
    let all = Arc::clone(&runtime.memory_pool);
    let Some(limit) = all
        .downcast_ref::<AllStatements>()
        .map(|all| all.limit_each)
    else {
        return Arc::clone(runtime);
    };
    let pool = OneStatement {
        limit,
        held: Mutex::default(),
        all,
    };
    Arc::new(RuntimeEnv {
        memory_pool: Arc::new(pool),
        ..runtime.as_ref().clone()
    })
}

impl Engine {
    /// Memory for what one statement keeps.
    pub(crate) fn memory(&self) -> Arc<dyn MemoryPool> {
        let runtime = for_one_statement(&self.shared.runtime.shared);
        Arc::clone(&runtime.memory_pool)
    }
}

/// Waits until a plan that was dropped holds no memory any more: its tasks end a little later.
pub(crate) async fn given_back(statement: &RuntimeEnv) {
    let start = Instant::now();
    while statement.memory_pool.reserved() > 0 && start.elapsed() < LONGEST_END {
        tokio::time::sleep(END_STEP).await;
    }
}

/// The memory of one statement.
#[derive(Debug)]
struct OneStatement {
    limit: usize,
    held: Mutex<Held>,
    all: Arc<dyn MemoryPool>,
}

/// What the operators of a statement hold.
#[derive(Debug, Default)]
struct Held {
    /// Operators that can spill.
    spillers: usize,
    by_spillers: usize,
    by_others: usize,
}

impl Held {
    fn total(&self) -> usize {
        self.by_spillers + self.by_others
    }

    /// Whether an operator may hold this much more.
    ///
    /// Those that can spill have equal parts of three quarters of what the others leave over: the others must not fail
    /// because these hold everything. Each may take in a batch or two, lest it can do nothing at all.
    fn allows(&self, limit: usize, reservation: &MemoryReservation, additional: usize) -> bool {
        // Some operators ask for nothing, even when others hold more than the limit: `grow` cannot be refused.
        if additional == 0 {
            return true;
        }
        if self.total().saturating_add(additional) > limit {
            return false;
        }
        if !reservation.consumer().can_spill() {
            return true;
        }
        let left = limit.saturating_sub(self.by_others) / 4 * 3;
        let part = (left / self.spillers.max(1)).max(limit / LEAST_PART);
        reservation.size().saturating_add(additional) <= part
    }

    fn of(&mut self, reservation: &MemoryReservation) -> &mut usize {
        if reservation.consumer().can_spill() {
            &mut self.by_spillers
        } else {
            &mut self.by_others
        }
    }
}

impl OneStatement {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryPool for AllStatements {
    fn name(&self) -> &str {
        "all statements"
    }

    fn grow(&self, _reservation: &MemoryReservation, additional: usize) {
        self.used.fetch_add(additional, Ordering::Relaxed);
    }

    fn shrink(&self, _reservation: &MemoryReservation, shrink: usize) {
        self.used.fetch_sub(shrink, Ordering::Relaxed);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.take(additional).map_err(|used| {
            refused(
                reservation,
                additional,
                &format!("all statements hold {}, and --memory allows", bytes(used)),
                self.limit,
            )
        })
    }

    fn reserved(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}

impl MemoryPool for OneStatement {
    fn name(&self) -> &str {
        "one statement"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.held().spillers += usize::from(consumer.can_spill());
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.held().spillers -= usize::from(consumer.can_spill());
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        *self.held().of(reservation) += additional;
        self.all.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        *self.held().of(reservation) -= shrink;
        self.all.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let mut held = self.held();
        if !held.allows(self.limit, reservation, additional) {
            let words = format!(
                "the statement holds {}, and --statement-memory allows",
                bytes(held.total())
            );
            return Err(refused(reservation, additional, &words, self.limit));
        }
        self.all.try_grow(reservation, additional)?;
        *held.of(reservation) += additional;
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.held().total()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}

impl Display for AllStatements {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", bytes(self.reserved()), bytes(self.limit))
    }
}

impl Display for OneStatement {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", bytes(self.reserved()), bytes(self.limit))
    }
}

/// What an operator is told; it spills then, or hands this on to the client.
fn refused(
    reservation: &MemoryReservation,
    additional: usize,
    words: &str,
    limit: usize,
) -> DataFusionError {
    // DataFusion adds the number of the partition in brackets.
    let operator = reservation
        .consumer()
        .name()
        .split('[')
        .next()
        .unwrap_or_default();
    DataFusionError::ResourcesExhausted(format!(
        "memory: {operator} needs {} more, but {words} {}",
        bytes(additional),
        bytes(limit)
    ))
}

fn bytes(number: usize) -> Bytes {
    Bytes(number as u64)
}

#[cfg(test)]
mod tests {
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;

    use super::*;

    fn runtime(memory: u64, statement_memory: u64) -> Arc<RuntimeEnv> {
        let limits = Limits {
            memory,
            statement_memory,
            ..Limits::default()
        };
        let pool = Arc::new(AllStatements::new(&limits));
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool);
        runtime.build_arc().unwrap()
    }

    fn reservation(runtime: &Arc<RuntimeEnv>) -> MemoryReservation {
        MemoryConsumer::new("sorter[0]").register(&runtime.memory_pool)
    }

    #[test]
    fn a_statement_keeps_to_its_own_limit_and_gives_back_what_it_held() {
        let shared = runtime(1000, 600);
        let reserved = {
            let statement = for_one_statement(&shared);
            let held = reservation(&statement);
            held.try_grow(500).unwrap();
            let message = held.try_grow(200).unwrap_err().message().to_string();
            assert_eq!(
                message,
                "memory: sorter needs 200 bytes more, but the statement holds 500 bytes, and \
                 --statement-memory allows 600 bytes"
            );
            shared.memory_pool.reserved()
        };
        assert_eq!((reserved, shared.memory_pool.reserved()), (500, 0));
    }

    #[test]
    fn nothing_more_can_be_had_even_above_the_limit() {
        let shared = runtime(1000, 600);
        let statement = for_one_statement(&shared);
        let merge = reservation(&statement);
        merge.grow(1100);
        assert!(merge.try_grow(1).is_err());
        reservation(&statement).try_grow(0).unwrap();
    }

    #[test]
    fn all_statements_keep_to_one_limit() {
        let shared = runtime(1000, 600);
        let statements = [for_one_statement(&shared), for_one_statement(&shared)];
        let [one, other] = [&statements[0], &statements[1]].map(reservation);
        one.try_grow(600).unwrap();
        let message = other.try_grow(500).unwrap_err().message().to_string();
        assert!(message.contains("--memory allows 1000 bytes"), "{message}");
        // What was refused is not held.
        assert_eq!(statements[1].memory_pool.reserved(), 0);
        drop(one);
        other.try_grow(500).unwrap();
    }

    #[test]
    fn those_who_can_spill_leave_memory_to_those_who_cannot() {
        let shared = runtime(1000, 800);
        let statement = for_one_statement(&shared);
        let sorter = |name: &str| {
            let consumer = MemoryConsumer::new(name).with_can_spill(true);
            consumer.register(&statement.memory_pool)
        };
        let (one, other) = (sorter("one"), sorter("other"));
        one.try_grow(300).unwrap();
        assert!(one.try_grow(1).is_err(), "its part");
        other.try_grow(300).unwrap();
        let merge = reservation(&statement);
        merge.try_grow(200).unwrap();
        assert!(merge.try_grow(1).is_err(), "everything is held");
        other.shrink(300);
        assert!(other.try_grow(226).is_err(), "its part of what is left");
        other.try_grow(225).unwrap();
    }
}
