//! Every function by SQL, in a plain DataFusion session that only `register_all` has touched.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a set-up that fails is a failed test, and these sessions are meant to be plain"
)]

mod als;
mod auc;
mod key_drivers;
mod local_time;
mod ml_curves;
mod ml_evaluate;
mod ml_global_explain;
mod models;
mod normal_cdf;
mod pearson;
mod pearson_matrix;
mod relation;
mod shap;
mod trees;

use std::sync::Arc;

use datafusion::{
    arrow::{array::RecordBatch, util::pretty::pretty_format_batches},
    prelude::SessionContext,
};
use moodlake_udfs::{KMeans, Logistic, Model, ModelKind, ModelSource, register_all};

/// A session with the functions and the models `mood` (binary), `genre` (three classes) and `modes` (two clusters).
fn session() -> SessionContext {
    let ctx = SessionContext::new();
    register_all(
        &ctx,
        &Arc::new(ModelSource::try_from(vec![mood(), genre(), modes()]).unwrap()),
    )
    .unwrap();
    ctx
}

fn model(name: &str, kind: ModelKind) -> Model {
    let features = ["valence", "energy"].map(str::to_owned).to_vec();
    Model {
        version: 7,
        ..Model::new(name, features, kind)
    }
}

/// Log-odds of happy: 4 (valence - 0.5) at energy 0.5; energy counts nothing.
fn mood() -> Model {
    model(
        "mood",
        ModelKind::Logistic(Logistic {
            classes: vec!["sad".to_owned(), "happy".to_owned()],
            means: vec![0.5, 0.5],
            scales: vec![0.25, 0.25],
            weights: vec![vec![1.0, 0.0]],
            intercepts: vec![0.0],
            std_errors: Vec::new(),
        }),
    )
}

fn genre() -> Model {
    model(
        "genre",
        ModelKind::Logistic(Logistic {
            classes: ["ambient", "pop", "metal"].map(str::to_owned).to_vec(),
            means: vec![0.5, 0.5],
            scales: vec![0.25, 0.25],
            weights: vec![vec![0.0, -2.0], vec![1.0, 0.0], vec![-1.0, 2.0]],
            intercepts: vec![0.0, 0.5, -0.5],
            std_errors: Vec::new(),
        }),
    )
}

/// Centroids at (0.25, 0.25) and (0.75, 0.75).
fn modes() -> Model {
    model(
        "modes",
        ModelKind::KMeans(KMeans {
            means: vec![0.5, 0.5],
            scales: vec![0.25, 0.25],
            centroids: vec![vec![-1.0, -1.0], vec![1.0, 1.0]],
            sizes: vec![10, 10],
        }),
    )
}

async fn batches(ctx: &SessionContext, sql: &str) -> datafusion::common::Result<Vec<RecordBatch>> {
    ctx.sql(sql).await?.collect().await
}

/// The rows of a query, each as its values joined by spaces; null is empty.
async fn rows_in(ctx: &SessionContext, sql: &str) -> Vec<String> {
    let batches = batches(ctx, sql)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    let table = pretty_format_batches(&batches).unwrap().to_string();
    let lines: Vec<&str> = table.lines().collect();
    let Some(body) = lines.get(3..lines.len() - 1) else {
        return vec![];
    };
    let values = |line: &&str| {
        line.trim_matches('|')
            .split('|')
            .map(str::trim)
            .collect::<Vec<_>>()
            .join(" ")
    };
    body.iter().map(values).collect()
}

async fn rows(sql: &str) -> Vec<String> {
    rows_in(&session(), sql).await
}

async fn one(sql: &str) -> String {
    let mut rows = rows(sql).await;
    assert_eq!(rows.len(), 1, "{sql}");
    rows.remove(0)
}

/// The message with which a query is refused before it runs.
async fn refusal(sql: &str) -> String {
    match session().sql(sql).await {
        Err(error) => error.to_string(),
        Ok(plan) => plan
            .create_physical_plan()
            .await
            .expect_err(sql)
            .to_string(),
    }
}

/// The message with which a query fails while it runs.
async fn failure(sql: &str) -> String {
    batches(&session(), sql).await.expect_err(sql).to_string()
}

async fn assert_refused(sql: &str, expected: &str) {
    let message = refusal(sql).await;
    assert!(
        message.contains(expected),
        "{sql}\n  says: {message}\n  not:  {expected}"
    );
}
