//! `als_fold_in`, `als_score` and `als_because`, on a model small enough to be solved by hand.

use std::sync::Arc;

use datafusion::prelude::SessionContext;
use moodlake_udfs::{
    Als, Confidence, Model, ModelKind, ModelSource, kernels::als::Matrix, register_all,
};

use super::{batches, modes, rows_in};

/// Tracks a and b are alike, c is not: `Y'Y + I` is the diagonal matrix of 3 and 2. A play adds a confidence of 2.
fn taste() -> Als {
    let items = ["a", "b", "c"].map(str::to_owned).to_vec();
    let factors = Matrix::new(2, &[1.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
    Als::new(items, factors, 1.0, 2.0, Confidence::Linear)
}

fn session() -> SessionContext {
    let model = |name: &str, kind| Model {
        version: 7,
        ..Model::new(
            name,
            vec!["user_id".to_owned(), "track_id".to_owned()],
            kind,
        )
    };
    let models = vec![
        model("taste", ModelKind::Als(taste())),
        model("young", ModelKind::Untrained),
        modes(),
    ];
    let ctx = SessionContext::new();
    register_all(&ctx, &Arc::new(ModelSource::try_from(models).unwrap())).unwrap();
    ctx
}

async fn rows(sql: &str) -> Vec<String> {
    rows_in(&session(), sql).await
}

async fn assert_fails(sql: &str, expected: &str) {
    let message = match batches(&session(), sql).await {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{sql} is accepted"),
    };
    assert!(
        message.contains(expected),
        "{sql}\n  says: {message}\n  not:  {expected}"
    );
}

#[tokio::test]
async fn a_listener_is_solved_for_exactly() {
    // One play of a: (3 + 2) x = 3. Two of c, in two rows: (2 + 4) y = 5.
    let sql = "select round(f[1], 9), round(f[2], 9) from (
        select als_fold_in('taste', t, p) as f
        from (values ('a', 1), ('c', 1), ('c', 1), ('of no catalogue', 5), (null, 1), ('b', 0), ('b', null)) as mine(t, p))";
    assert_eq!(rows(sql).await, ["0.6 0.833333333"]);
}

#[tokio::test]
async fn groups_are_folded_in_apart() {
    let sql = "select u, round(als_score('taste', als_fold_in('taste', t, p), 'b'), 9)
        from (values (1, 'a', 1), (2, 'c', 1), (3, 'x', 1), (1, 'a', 1)) as plays(u, t, p) group by u order by u";
    // Two plays of a: (3 + 4) x = 5.
    assert_eq!(rows(sql).await, ["1 0.714285714", "2 0.0", "3 "]);
}

#[tokio::test]
async fn a_score_is_owed_to_the_plays_behind_it() {
    let sql =
        "select b['track_id'], round(b['contribution'], 9), round(b['contribution_pct'], 3) from (
        select unnest(als_because('taste', ['a', 'c', 'a', 'x'], [1, 1, 1, 1], 'b')) as b)";
    assert_eq!(rows(sql).await, ["a 0.714285714 100.0", "c 0.0 0.0"]);
    let sql = "select als_because('taste', t, p, w, 1)[1]['track_id'] from (values
        (['a', 'c'], [1, 1], 'c'), (['a', 'c'], [1, 1], 'b'), (['c'], [1], 'c'), (null, [1], 'c'), (['a'], [1], null)) as v(t, p, w)";
    assert_eq!(rows(sql).await, ["c", "a", "c", "", ""]);
}

#[tokio::test]
async fn what_is_not_known_is_null() {
    let sql = "select als_score('taste', [1, 0], 'x'), als_score('taste', null, 'a'), als_score('taste', [1, null], 'a'),
        als_score(null, [1, 0], 'a'), als_fold_in('young', 'a', 1), als_score('young', [1, 0], 'a'),
        als_because('young', ['a'], [1], 'a'), als_because('taste', ['x'], [1], 'a')";
    assert_eq!(rows(sql).await, ["       "]);
}

#[tokio::test]
async fn a_plan_names_the_version() {
    let sql = "explain select als_score('taste', als_fold_in('taste', t, 1), 'b') from (values ('a')) as v(t)";
    let plan = rows(sql).await.join("\n");
    assert!(plan.contains("taste@7"), "{plan}");
}

#[tokio::test]
async fn names_of_arguments_may_be_written() {
    let sql = "select als_score(model => 'taste@7', factors => [0.5, 0.25], track_id => 'c')";
    assert_eq!(rows(sql).await, ["0.25"]);
}

#[tokio::test]
async fn wrong_calls_are_refused() {
    assert_fails(
        "select als_score('modes', [1, 0], 'a')",
        "als_score: model 'modes' is k-means, expected one of type 'als'",
    )
    .await;
    assert_fails(
        "select als_score('taste', 0.5, 'a')",
        "als_score: argument 'factors' must be a list of numbers, got Float64",
    )
    .await;
    assert_fails(
        "select als_score('taste', [1.0], 'a')",
        "als_score: 1 factors do not fit a model of 2",
    )
    .await;
    assert_fails(
        "select als_fold_in('taste', t, t) from (values ('a')) as v(t)",
        "als_fold_in: argument 'plays' must be numeric",
    )
    .await;
    assert_fails(
        "select als_fold_in(distinct 'taste', t, 1) from (values ('a')) as v(t)",
        "als_fold_in: DISTINCT is not supported",
    )
    .await;
    assert_fails(
        "select als_fold_in(t, t, 1) from (values ('a')) as v(t)",
        "als_fold_in: argument 'model' must be a literal text, such as 'taste'",
    )
    .await;
    assert_fails(
        "select als_because('taste', ['a'], [1, 2], 'a')",
        "als_because: 1 tracks do not fit 2 numbers of plays",
    )
    .await;
    assert_fails(
        "select als_because('taste', ['a'], [1], 'a', 0)",
        "als_because: top_k must be a whole number from 1, got 0",
    )
    .await;
}

#[test]
fn a_model_comes_back_from_json() {
    let model = Model::new("taste", vec!["user_id".to_owned()], ModelKind::Als(taste()));
    let text = serde_json::to_string(&model).unwrap();
    assert!(text.contains("\"type\":\"als\""), "{text}");
    assert_eq!(serde_json::from_str::<Model>(&text).unwrap(), model);
    let mut broken = taste();
    broken.items.swap(0, 1);
    let broken = Model::new("taste", vec!["user_id".to_owned()], ModelKind::Als(broken));
    let message = broken.validate().unwrap_err().to_string();
    assert!(message.contains("its items are not sorted"), "{message}");
}
