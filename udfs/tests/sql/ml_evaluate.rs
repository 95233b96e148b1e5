//! `ml_evaluate`. Expected values: scikit-learn 1.9.1 and statsmodels 0.15.0 on the same rows.

use datafusion::physical_plan::displayable;
use moodlake_udfs::{Combination, Model, ModelKind, ModelSource, Tree, Trees, register_all};

use crate::{assert_refused, rows, rows_in, session};

/// 80 rows with a label of two classes and one of three; row 80 has no feature, row 81 another label.
const ROWS: &str = "(select valence, energy,
        case when i = 81 then 'other' when valence + noise > 0.5 then 'happy' else 'sad' end as mood,
        case when energy + noise < 0.35 then 'ambient' when valence > 0.4 then 'pop' else 'metal' end as genre
    from (select i, case when i <> 80 then (i * 37 % 101) / 101.0 end as valence, (i * 53 % 97) / 97.0 as energy, (i * 29 % 89) / 89.0 - 0.5 as noise
        from (select value as i from generate_series(0, 81) as s(value))))";

async fn metrics(call: &str) -> Vec<String> {
    rows(&format!(
        "select metric, round(value, 10), round(ci_low, 10), round(ci_high, 10), n from {call}"
    ))
    .await
}

#[tokio::test]
async fn two_classes() {
    let found = metrics(&format!(
        "ml_evaluate(model => 'mood', label => 'mood', input => {ROWS})"
    ))
    .await;
    let starts = [
        "auc 0.8195488722 0.72804499 0.9110527544 80",
        "accuracy 0.7125 0.6053965379 0.8001307571 80",
        "majority_accuracy 0.525 ",
        "log_loss 0.5266715489 0.4361941052 0.6171489926 80",
        "brier 0.1762867687 ",
        "ece 0.098793227   80",
        "prevalence 0.475 ",
        "precision 0.6923076923 ",
        "recall 0.7105263158 ",
        "f1 0.7012987013   80",
        "coverage 0.9756097561 ",
    ];
    assert_eq!(found.len(), starts.len(), "{found:?}");
    for (row, start) in found.iter().zip(starts) {
        assert!(row.starts_with(start), "{row} is not {start}");
    }
    assert!(found[7].ends_with(" 39") && found[8].ends_with(" 38") && found[10].ends_with(" 82"));
}

#[tokio::test]
async fn three_classes() {
    let found = metrics(&format!("ml_evaluate('genre', {ROWS}, 'genre')")).await;
    let starts = [
        "auc 0.8383497778   81",
        "accuracy ",
        "majority_accuracy ",
        "log_loss ",
        "brier ",
        "ece ",
        "coverage ",
    ];
    assert_eq!(found.len(), starts.len(), "{found:?}");
    let first_80 = format!(
        "ml_evaluate('genre', (select * from {ROWS} where mood <> 'other' and valence is not null), 'genre')"
    );
    let found = metrics(&first_80).await;
    let expected = [
        "auc 0.8383497778   80",
        "accuracy 0.625 ",
        "majority_accuracy 0.4 ",
        "log_loss 0.8544966461 ",
        "brier 0.5064215768 ",
        "ece 0.1803151901   80",
        "coverage 1.0 ",
    ];
    for (row, start) in found.iter().zip(expected) {
        assert!(row.starts_with(start), "{row} is not {start}");
    }
}

fn stump(classes: &[&str]) -> Model {
    let tree = Tree {
        features: vec![0, u16::MAX, u16::MAX],
        thresholds: vec![0.5, 0.0, 0.0],
        missing_left: vec![true, false, false],
        right: vec![2, 0, 1],
        covers: vec![10.0, 5.0, 5.0],
        values: vec![0.25, 0.75],
    };
    let trees = Trees {
        classes: classes.iter().map(|&class| class.to_owned()).collect(),
        combination: Combination::Mean,
        base: vec![0.0],
        trees: vec![tree],
    };
    let features = vec!["valence".to_owned()];
    Model {
        version: 1,
        label: Some("outcome".to_owned()),
        ..Model::new("stump", features, ModelKind::Trees(trees))
    }
}

async fn of_trees(model: Model, outcome: &str) -> Vec<String> {
    #[expect(clippy::disallowed_methods, reason = "a plain session")]
    let ctx = datafusion::prelude::SessionContext::new();
    let models = ModelSource::try_from(vec![model]).unwrap();
    register_all(&ctx, &std::sync::Arc::new(models)).unwrap();
    rows_in(
        &ctx,
        &format!(
            "select metric, round(value, 6), n from ml_evaluate('stump', (select *, {outcome} as outcome from (values (0.1), (0.9), (null), (0.7)) as t(valence)))"
        ),
    )
    .await
}

#[tokio::test]
async fn the_label_is_the_models_own_and_trees_take_what_is_missing() {
    let found = of_trees(
        stump(&["false", "true"]),
        "valence > 0.5 and valence < 0.8 or valence is null",
    )
    .await;
    // Positive: the third, at 0.25, and the last, at 0.75; negative: 0.25 and 0.75.
    assert_eq!(found[0], "auc 0.5 4");
    assert_eq!(found[1], "accuracy 0.5 4");
    assert_eq!(found[10], "coverage 1.0 4");
}

#[tokio::test]
async fn a_model_of_a_number() {
    let found = of_trees(stump(&[]), "coalesce(valence, 0)").await;
    // Errors: 0.15, -0.15, 0.25, 0.05.
    assert_eq!(
        found,
        [
            "rmse 0.165831 4",
            "mae 0.15 4",
            "r2 0.812766 4",
            "coverage 1.0 4"
        ]
    );
}

#[tokio::test]
async fn wrong_calls_are_refused_while_planning() {
    for (call, expected) in [
        (
            "ml_evaluate('mood')",
            "ml_evaluate: argument 'input' is missing, write input => (SELECT …)",
        ),
        (
            "ml_evaluate('nothing', (select 1 as x))",
            "ml_evaluate: no model 'nothing'",
        ),
        (
            "ml_evaluate('modes', (select 1 as x))",
            "ml_evaluate: model 'modes' is k-means, which has no label",
        ),
        (
            "ml_evaluate('mood', (select 1 as x))",
            "ml_evaluate: model 'mood' does not say its label, write label => 'column'",
        ),
        (
            "ml_evaluate('mood', (select 1 as x), 'y')",
            "ml_evaluate: the input has no column 'y', the label",
        ),
        (
            "ml_evaluate('mood', (select 1 as x, 0.5 as energy), 'x')",
            "ml_evaluate: model 'mood' misses features 'valence'",
        ),
        (
            "ml_evaluate('mood', (select 1 as x, 'a' as valence, 0.5 as energy), 'x')",
            "ml_evaluate: feature 'valence' of model 'mood' must be numeric, got",
        ),
        (
            "ml_evaluate('mood', (select * from (values (1)) as a(y) cross join (values (2)) as b(y)), 'y')",
            "two columns 'y', rename one",
        ),
    ] {
        assert_refused(&format!("select * from {call}"), expected).await;
    }
}

#[tokio::test]
async fn without_a_model_yet_there_are_columns_and_no_rows() {
    let sql = format!("select * from ml_evaluate(null, {ROWS})");
    assert_eq!(rows(&sql).await, Vec::<String>::new());
    let ctx = session();
    let unknown = ctx.sql(&sql).await.unwrap();
    let known = ctx
        .sql(&format!(
            "select * from ml_evaluate('mood', {ROWS}, 'mood')"
        ))
        .await
        .unwrap();
    let types = |frame: &datafusion::prelude::DataFrame| -> Vec<_> {
        let fields = frame.schema().fields().iter();
        fields
            .map(|field| (field.name().clone(), field.data_type().clone()))
            .collect()
    };
    assert_eq!(types(&unknown), types(&known));
}

#[tokio::test]
async fn the_rows_are_read_once_and_predicted_once() {
    let ctx = session();
    rows_in(&ctx, &format!("create table songs as select * from {ROWS}")).await;
    let plan = ctx
        .sql("select * from ml_evaluate('mood', (select * from songs), 'mood')")
        .await
        .unwrap()
        .create_physical_plan()
        .await
        .unwrap();
    let plan = displayable(plan.as_ref()).indent(false).to_string();
    assert_eq!(plan.matches("DataSourceExec").count(), 1, "{plan}");
    assert_eq!(plan.matches("ml_outputs(").count(), 1, "{plan}");
}
