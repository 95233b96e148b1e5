//! Training that can be ended: its loops look, once a step, whether anybody still waits for what they make.

use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::error::{Error, Result};

thread_local! {
    static STOP: RefCell<Option<Arc<AtomicBool>>> = const { RefCell::new(None) };
}

/// Ends the training that it was handed to when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Arc<AtomicBool>);

impl Waiting {
    /// Does work that ends when nobody waits for it.
    pub(crate) fn for_work<T, W: FnOnce() -> T>(&self, work: W) -> impl FnOnce() -> T + use<T, W> {
        let stop = Arc::clone(&self.0);
        move || {
            let before = STOP.replace(Some(stop));
            let done = work();
            STOP.set(before);
            done
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Whether nobody waits any more: what is made from here on is thrown away.
pub(super) fn is_stopped() -> bool {
    watch()()
}

/// As [`is_stopped`], for kernels that work on threads of their own.
pub(super) fn watch() -> impl Fn() -> bool + Send + Sync + Clone + use<> {
    let stop = STOP.with_borrow(Clone::clone);
    move || {
        stop.as_ref()
            .is_some_and(|stop| stop.load(Ordering::Relaxed))
    }
}

/// Ends the training if nobody waits any more.
pub(super) fn check() -> Result<()> {
    if is_stopped() {
        return Err(ended());
    }
    Ok(())
}

/// What a training that was ended says.
pub(super) fn ended() -> Error {
    Error::Cancelled("the training was ended".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_ends_when_nobody_waits() {
        let waiting = Waiting::default();
        let work = waiting.for_work(check);
        let watch = waiting.for_work(watch)();
        assert!(waiting.for_work(check)().is_ok());
        assert!(!watch());
        drop(waiting);
        assert!(watch(), "also on a thread that was handed nothing");
        assert!(matches!(work(), Err(Error::Cancelled(_))));
        assert!(check().is_ok(), "a thread forgets what it was handed");
    }
}
