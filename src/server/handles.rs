//! What the server keeps for its clients between two calls: prepared statements and results to be
//! fetched, each under a random id that says nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use uuid::Uuid;

/// A bounded store. A value that was not used for a while is forgotten; when the store is full, the
/// one unused for longest makes room.
#[derive(Debug)]
pub(crate) struct Handles<T> {
    entries: Mutex<HashMap<Uuid, Entry<T>>>,
    capacity: usize,
    time_to_live: Duration,
}

#[derive(Debug)]
struct Entry<T> {
    value: Arc<T>,
    used_at: Instant,
}

impl<T> Handles<T> {
    /// An empty store for at most `capacity` values, each kept `time_to_live` after its last use.
    pub(crate) fn new(capacity: usize, time_to_live: Duration) -> Self {
        Self {
            entries: Mutex::default(),
            capacity,
            time_to_live,
        }
    }

    /// Keeps a value and returns the handle to it.
    pub(crate) fn insert(&self, value: T) -> Bytes {
        let id = Uuid::new_v4();
        let used_at = Instant::now();
        let mut entries = self.lock();
        self.make_room(&mut entries, used_at);
        let value = Arc::new(value);
        entries.insert(id, Entry { value, used_at });
        Bytes::copy_from_slice(id.as_bytes())
    }

    /// The value of a handle, unless it is unknown, closed or has expired.
    pub(crate) fn get(&self, handle: &[u8]) -> Option<Arc<T>> {
        let id = Uuid::from_slice(handle).ok()?;
        let now = Instant::now();
        let mut entries = self.lock();
        let entry = entries.get_mut(&id)?;
        if now.duration_since(entry.used_at) > self.time_to_live {
            entries.remove(&id);
            return None;
        }
        entry.used_at = now;
        Some(Arc::clone(&entry.value))
    }

    /// Forgets a value; an unknown handle is no error, as it may have expired.
    pub(crate) fn remove(&self, handle: &[u8]) {
        if let Ok(id) = Uuid::from_slice(handle) {
            self.lock().remove(&id);
        }
    }

    fn make_room(&self, entries: &mut HashMap<Uuid, Entry<T>>, now: Instant) {
        entries.retain(|_, entry| now.duration_since(entry.used_at) <= self.time_to_live);
        if entries.len() < self.capacity {
            return;
        }
        let oldest = entries.iter().min_by_key(|(_, entry)| entry.used_at);
        if let Some(id) = oldest.map(|(id, _)| *id) {
            entries.remove(&id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Entry<T>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn a_handle_leads_to_its_value_until_it_is_closed() {
        let handles = Handles::new(8, HOUR);
        let one = handles.insert("one");
        let two = handles.insert("two");
        handles.remove(&one);
        assert_eq!(handles.get(&one), None);
        assert_eq!(handles.get(&two).as_deref(), Some(&"two"));
        assert_eq!(handles.get(b"no handle of ours"), None);
    }

    #[test]
    fn the_value_unused_for_longest_makes_room() {
        let handles = Handles::new(2, HOUR);
        let one = handles.insert(1);
        let two = handles.insert(2);
        handles.get(&one);
        let three = handles.insert(3);
        assert_eq!(handles.get(&two), None);
        assert_eq!(handles.get(&one).as_deref(), Some(&1));
        assert_eq!(handles.get(&three).as_deref(), Some(&3));
    }

    #[test]
    fn a_value_expires() {
        let handles = Handles::new(2, Duration::ZERO);
        let one = handles.insert(1);
        assert_eq!(handles.get(&one), None);
    }
}
