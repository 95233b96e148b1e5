//! Rows on their way to a table: kept until they are in it.

use std::{
    collections::{HashSet, VecDeque},
    fmt,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use arrow::array::RecordBatch;

use crate::error::Result;

/// So many rows make a batch.
const BATCH_ROWS: usize = 1000;
/// Rows wait no longer than this.
const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// While nothing can be written, the oldest rows make room.
const MOST_ROWS: usize = 100_000;

/// Rows of one table, in the order in which they came.
pub(super) struct Pending<T> {
    encode: fn(&[T]) -> Result<RecordBatch>,
    rows: Mutex<Rows<T>>,
}

struct Rows<T> {
    /// How many rows came before those that are kept.
    before: u64,
    kept: VecDeque<T>,
    /// When the oldest came, or when writing was last tried.
    since: Instant,
    /// Whether rows were dropped since the last that were written.
    is_dropping: bool,
}

/// Rows to be written, and how many there were up to their last.
pub(super) struct Taken {
    pub(super) batch: RecordBatch,
    end: u64,
}

impl<T: Clone> Pending<T> {
    pub(super) fn new(encode: fn(&[T]) -> Result<RecordBatch>) -> Self {
        Self {
            encode,
            rows: Mutex::new(Rows {
                before: 0,
                kept: VecDeque::new(),
                since: Instant::now(),
                is_dropping: false,
            }),
        }
    }

    pub(super) fn push(&self, row: T) {
        let mut rows = self.lock();
        if rows.kept.is_empty() {
            rows.since = Instant::now();
        }
        if rows.kept.len() >= MOST_ROWS {
            rows.kept.pop_front();
            rows.before += 1;
            if !std::mem::replace(&mut rows.is_dropping, true) {
                tracing::warn!(
                    rows = MOST_ROWS,
                    "the audit cannot be written and keeps no more rows: the oldest are lost"
                );
            }
        }
        rows.kept.push_back(row);
    }

    /// The rows, with others before them that have another key.
    pub(super) fn batch_with<K: Eq + Hash + ?Sized>(
        &self,
        mut others: Vec<T>,
        key: impl Fn(&T) -> &K,
    ) -> Result<RecordBatch> {
        let kept: Vec<T> = self.lock().kept.iter().cloned().collect();
        let known: HashSet<&K> = kept.iter().map(&key).collect();
        others.retain(|row| !known.contains(key(row)));
        others.extend_from_slice(&kept);
        (self.encode)(&others)
    }

    /// Whether it is time to write.
    pub(super) fn is_due(&self) -> bool {
        let rows = self.lock();
        rows.kept.len() >= BATCH_ROWS
            || (!rows.kept.is_empty() && rows.since.elapsed() >= LONGEST_WAIT)
    }

    /// The rows to be written now, if there are any. They stay until they are [forgotten](Self::forget).
    pub(super) fn take(&self) -> Result<Option<Taken>> {
        let (kept, end) = {
            let mut rows = self.lock();
            rows.since = Instant::now();
            let kept: Vec<T> = rows.kept.iter().cloned().collect();
            let end = rows.before + kept.len() as u64;
            (kept, end)
        };
        if kept.is_empty() {
            return Ok(None);
        }
        let batch = (self.encode)(&kept)?;
        Ok(Some(Taken { batch, end }))
    }

    /// Forgets rows that are in their table.
    pub(super) fn forget(&self, taken: &Taken) {
        let mut rows = self.lock();
        rows.is_dropping = false;
        while rows.before < taken.end && rows.kept.pop_front().is_some() {
            rows.before += 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Rows<T>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int64Array};
    use arrow::datatypes::Int64Type;

    use super::*;

    fn encode(rows: &[i64]) -> Result<RecordBatch> {
        let column: ArrayRef = Arc::new(Int64Array::from(rows.to_vec()));
        Ok(RecordBatch::try_from_iter([("n", column)])?)
    }

    fn numbers(batch: &RecordBatch) -> Vec<i64> {
        batch
            .column(0)
            .as_primitive::<Int64Type>()
            .values()
            .to_vec()
    }

    #[test]
    fn a_row_is_kept_until_it_is_written() {
        let pending = Pending::new(encode);
        assert!(pending.take().unwrap().is_none());
        pending.push(1);
        pending.push(2);
        let taken = pending.take().unwrap().unwrap();
        pending.push(3);
        assert_eq!(numbers(&taken.batch), [1, 2]);
        let both = |others| numbers(&pending.batch_with(others, |n| n).unwrap());
        assert_eq!(both(vec![0]), [0, 1, 2, 3]);
        assert_eq!(both(vec![0, 2]), [0, 1, 2, 3]);
        pending.forget(&taken);
        pending.forget(&taken);
        assert_eq!(both(Vec::new()), [3]);
    }

    #[test]
    fn rows_are_due_when_there_are_enough_and_never_too_many() {
        let pending = Pending::new(encode);
        pending.push(0);
        assert!(!pending.is_due());
        for n in 1..=MOST_ROWS {
            pending.push(i64::try_from(n).unwrap());
        }
        assert!(pending.is_due());
        let taken = pending.take().unwrap().unwrap();
        assert_eq!(taken.batch.num_rows(), MOST_ROWS);
        assert_eq!(numbers(&taken.batch)[0], 1);
        pending.push(7);
        pending.forget(&taken);
        let left = pending.batch_with(Vec::new(), |n| n).unwrap();
        assert_eq!(numbers(&left), [7]);
    }
}
