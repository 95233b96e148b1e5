//! The end of a server: it takes nothing more, lets go on what runs, and writes down what happened.

use std::future::Future;
use std::time::Duration;

use futures::FutureExt;

use crate::engine::Engine;
use crate::error::Result;

/// How long statements may go on, unless told otherwise: less than container runtimes wait before they kill.
pub(in crate::cli) const GRACE: Duration = Duration::from_secs(8);
/// How long clients may take to hear that the server ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves until Ctrl-C or SIGTERM and the end of what runs then; a second signal ends it at once.
pub(super) async fn until_drained<F: Future<Output = Result<()>>>(
    engine: Engine,
    grace: Duration,
    serve: impl FnOnce(futures::future::BoxFuture<'static, ()>) -> F,
) -> Result<()> {
    let queries = engine.queries().clone();
    let drained = async move {
        stop_signal().await;
        tracing::info!("shutting down: no new statements are taken");
        let ended = queries.drain(grace).await;
        tracing::info!(ended, "all statements have ended");
    }
    .boxed()
    .shared();
    let keeping = engine.keep_audit();
    let last_call = async {
        drained.clone().await;
        tokio::time::sleep(FAREWELL).await;
    };
    let impatience = async {
        stop_signal().await;
        stop_signal().await;
    };
    engine.make_audit_tables().await?;
    let served = tokio::select! {
        served = serve(drained.clone().boxed()) => served,
        () = last_call => Ok(()),
        () = keeping => Ok(()),
        () = impatience => return Ok(()),
    };
    engine.write_audit(true).await?;
    served
}

/// Waits for Ctrl-C, or for what service managers send.
async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}
