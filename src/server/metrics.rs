//! `/metrics` over HTTP, for Prometheus.

use std::sync::Arc;

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use datafusion::common::runtime::SpawnedTask;
use tokio::net::TcpListener;

use crate::{engine::Engine, metrics::Now};

/// What prometheus-client writes.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How many sessions, prepared statements and results are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) sessions: usize,
    pub(super) prepared: usize,
    pub(super) results: usize,
}

/// Asks what is kept.
pub(super) type Count = Arc<dyn Fn() -> Kept + Send + Sync>;

/// Serves the metrics of an engine as long as the task is kept.
pub(super) fn serve(listener: TcpListener, engine: Engine, count: Count) -> SpawnedTask<()> {
    let metrics = get(move || {
        let answer = text(&engine, count());
        async { answer }
    });
    let router = Router::new().route("/metrics", metrics);
    SpawnedTask::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "/metrics is no longer served");
        }
    })
}

fn text(engine: &Engine, kept: Kept) -> impl IntoResponse + use<> {
    let (running, waiting) = engine.queries().numbers();
    let (memory, spilled) = engine.holds();
    let now = Now {
        running,
        waiting,
        memory,
        spilled,
        sessions: kept.sessions as u64,
        prepared: kept.prepared as u64,
        results: kept.results as u64,
        commits: engine.commits(),
    };
    match engine.metrics().text(&now) {
        Ok(text) => (StatusCode::OK, [(CONTENT_TYPE, OPEN_METRICS)], text),
        Err(error) => {
            let plain = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
            (StatusCode::INTERNAL_SERVER_ERROR, plain, error.to_string())
        }
    }
}
