//! Threads that compute: apart from those that talk to clients, which answer whatever is computed.
//!
//! There are more of them than cores. A statement that keeps its threads busy leaves others for the rest, and the
//! system shares the cores between them.

use std::{
    future::Future,
    sync::{Mutex, PoisonError},
    thread,
};

use datafusion::common::runtime::SpawnedTask;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::{
    error::{Error, Result},
    limits::Limits,
};

/// Planning deep statements recurses. Only what is used of a stack takes memory.
const STACK_BYTES: usize = 64 << 20;
/// A statement works on as many threads as there are cores, while others are planned.
const MOST_THREADS: usize = 128;
const LEAST_THREADS: usize = 16;

/// The threads, which start when they are needed.
#[derive(Debug)]
pub(super) struct Workers {
    threads: usize,
    runtime: Mutex<Option<Runtime>>,
}

impl Workers {
    pub(super) fn new(limits: &Limits) -> Self {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let running = usize::try_from(limits.running).unwrap_or(MOST_THREADS);
        let wanted = running.saturating_mul(cores);
        Self {
            threads: match wanted {
                // No limit on statements, none on threads.
                0 => MOST_THREADS,
                wanted => wanted.clamp(LEAST_THREADS, MOST_THREADS),
            },
            runtime: Mutex::new(None),
        }
    }

    /// Does work on these threads. It ends when the task is dropped.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<SpawnedTask<T>> {
        let handle = self.handle()?;
        let _entered = handle.enter();
        Ok(SpawnedTask::spawn(work))
    }

    fn handle(&self) -> Result<Handle> {
        let mut runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = runtime.as_ref() {
            return Ok(runtime.handle().clone());
        }
        let started = Builder::new_multi_thread()
            .worker_threads(self.threads)
            .thread_name("moodlake-work")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .map_err(Error::io("threads"))?;
        let handle = started.handle().clone();
        *runtime = Some(started);
        Ok(handle)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let runtime = self
            .runtime
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = runtime.take() {
            // Nobody waits for what is still computed.
            runtime.shutdown_background();
        }
    }
}
