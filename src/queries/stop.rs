//! How work on a statement sees that it should stop, wherever it is: the engine puts it into its plans.

use std::future::Future;

use tokio::task_local;
use tokio_util::sync::CancellationToken;

task_local! {
    static STOP: CancellationToken;
}

/// Work that sees this token.
pub(super) fn with_stop<T>(
    stop: CancellationToken,
    work: impl Future<Output = T>,
) -> impl Future<Output = T> {
    STOP.scope(stop, work)
}

/// The token of the statement that is worked on here, if there is one.
pub(crate) fn current_stop() -> Option<CancellationToken> {
    STOP.try_with(CancellationToken::clone).ok()
}
