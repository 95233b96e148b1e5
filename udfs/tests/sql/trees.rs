//! Forests and boosted trees, predicted and explained.

use std::sync::Arc;

use datafusion::prelude::SessionContext;
use moodlake_udfs::{Combination, ModelKind, ModelSource, Tree, Trees, register_all};

use crate::{model, mood, rows_in};

/// Splits a feature at 0.5 into two leaves of width 1, or of more if there are more values.
fn stump(feature: u16, missing_left: bool, covers: [f64; 2], values: &[f64]) -> Tree {
    Tree {
        features: vec![feature, u16::MAX, u16::MAX],
        thresholds: vec![0.5, 0.0, 0.0],
        missing_left: vec![missing_left, false, false],
        right: vec![2, 0, 1],
        covers: vec![covers[0] + covers[1], covers[0], covers[1]],
        values: values.to_vec(),
    }
}

fn trees(classes: &[&str], combination: Combination, base: &[f64], trees: Vec<Tree>) -> ModelKind {
    ModelKind::Trees(Trees {
        classes: classes.iter().map(ToString::to_string).collect(),
        combination,
        base: base.to_vec(),
        trees,
    })
}

/// `grove`, a forest of two classes; `plays`, boosting of a number; `tags`, boosting of three classes; `binary`, of two;
/// and the logistic `mood`.
pub(crate) fn session() -> SessionContext {
    let grove = vec![
        stump(0, true, [6.0, 4.0], &[0.2, 0.8]),
        stump(1, false, [5.0, 5.0], &[0.1, 0.7]),
    ];
    let plays = vec![
        stump(0, false, [5.0, 5.0], &[-2.0, 3.0]),
        stump(0, false, [5.0, 5.0], &[-1.0, 1.0]),
    ];
    let tags = vec![
        stump(0, true, [5.0, 5.0], &[1.0, 0.0]),
        stump(1, true, [5.0, 5.0], &[0.0, 2.0]),
        stump(0, true, [5.0, 5.0], &[0.0, 3.0]),
    ];
    let binary = vec![stump(0, true, [1.0, 3.0], &[-1.0, 1.0])];
    let (two, three) = (["sad", "happy"], ["ambient", "metal", "pop"]);
    let models = vec![
        model("grove", trees(&two, Combination::Mean, &[0.0], grove)),
        model("plays", trees(&[], Combination::Sum, &[10.0], plays)),
        model("tags", trees(&three, Combination::Sum, &[0.0; 3], tags)),
        model("binary", trees(&two, Combination::Sum, &[0.5], binary)),
        mood(),
    ];
    let ctx = SessionContext::new();
    register_all(&ctx, &Arc::new(ModelSource::try_from(models).unwrap())).unwrap();
    ctx
}

pub(crate) async fn one(sql: &str) -> String {
    rows_in(&session(), sql).await.join("\n")
}

pub(crate) async fn assert_refused(sql: &str, expected: &str) {
    let Err(error) = session().sql(sql).await else {
        panic!("{sql} is planned")
    };
    assert!(error.to_string().contains(expected), "{sql}: {error}");
}

#[tokio::test]
async fn a_forest_answers_with_classes_and_probabilities() {
    let sql = "select ml_predict('grove', v, e), round(ml_predict_proba('grove', v, e), 6), round(ml_predict_proba('grove', 'sad', v, e), 6)
        from (values (0.9, 0.8), (0.5, 0.5)) as t(v, e)";
    assert_eq!(one(sql).await, "happy 0.75 0.25\nsad 0.15 0.85");
    let three = "select ml_predict('tags', v, e), round(ml_predict_proba('tags', v, e), 6) from (values (0.2, 0.9), (0.9, 0.9)) as t(v, e)";
    assert_eq!(one(three).await, "metal 0.665241\npop 0.705385");
}

#[tokio::test]
async fn what_is_missing_goes_the_way_that_was_learned() {
    for missing in ["null", "'NaN'::double", "'Infinity'::double"] {
        let sql = format!(
            "select ml_predict('grove', {missing}, 0.8), round(ml_predict_proba('grove', {missing}, {missing}), 6), ml_predict('plays', {missing}, 0.5)"
        );
        assert_eq!(one(&sql).await, "sad 0.45 14.0", "{missing}");
    }
    let nothing = "select ml_predict('grove', s) is null, ml_predict('plays', s) is null
        from (select case when x = 1 then named_struct('valence', 0.9, 'energy', 0.9) end as s from (values (1), (2)) as t(x)) order by 1";
    assert_eq!(one(nothing).await, "false false\ntrue true");
}

#[tokio::test]
async fn a_number_is_a_number() {
    let sql = "select ml_predict('plays', v, 0.5), arrow_typeof(ml_predict('plays', v, 0.5)) from (values (0.9), (0.2)) as t(v)";
    assert_eq!(one(sql).await, "14.0 Float64\n7.0 Float64");
    assert_refused(
        "select ml_predict_proba('plays', 0.9, 0.5)",
        "ml_predict_proba: model 'plays' predicts a number, use ml_predict",
    )
    .await;
    assert_refused(
        "select shap_values('plays', 'happy', null, null, 0.9, 0.5)",
        "shap_values: model 'plays' predicts a number, it has no classes",
    )
    .await;
}

pub(crate) const TRACKS: &str =
    "(select * from (values ('a', 0.9, 0.8), ('b', null, 0.1)) as t(track_id, valence, energy))";

#[tokio::test]
async fn a_forest_is_explained_in_probability() {
    let sql = format!(
        "select track_id, class, feature, value, round(contribution, 6), round(contribution_pct, 4), round(baseline, 6), round(prediction, 6), additivity_error < 1e-12
         from shap_explain('grove', {TRACKS}, class => 'happy') order by track_id, feature"
    );
    let expected = [
        "a happy energy 0.8 0.15 45.4545 0.42 0.75 true",
        "a happy valence 0.9 0.18 54.5455 0.42 0.75 true",
        "b happy energy 0.1 -0.15 -55.5556 0.42 0.15 true",
        "b happy valence  -0.12 -44.4444 0.42 0.15 true",
    ];
    assert_eq!(rows_in(&session(), &sql).await, expected);
    let predicted = format!(
        "select distinct track_id, class, round(baseline, 6), round(prediction, 6) from shap_explain('grove', {TRACKS}) order by 1"
    );
    assert_eq!(one(&predicted).await, "a happy 0.42 0.75\nb sad 0.58 0.85");
}

#[tokio::test]
async fn boosted_trees_are_explained_in_log_odds_and_numbers_in_their_unit() {
    let binary = "select class, feature, contribution, baseline, prediction from shap_explain('binary', (select 0.9 as valence, 0.1 as energy), top_k => 1)";
    assert_eq!(one(binary).await, "happy valence 0.5 1.0 1.5");
    let probability = "select feature, round(contribution, 9) = round(1 / (1 + exp(-1.5)) - 1 / (1 + exp(-1.0)), 9), round(prediction - ml_predict_proba('binary', 0.9, 0.1), 9), additivity_error < 1e-12
        from shap_explain('binary', (select 0.9 as valence, 0.1 as energy), top_k => 1, output => 'probability')";
    assert_eq!(one(probability).await, "valence true 0.0 true");
    let shares = "select max(abs(total - prediction)) < 1e-12, count(*) from (
        select class, first_value(prediction) as prediction, sum(contribution) + first_value(baseline) as total
        from shap_explain('tags', (select 0.1 as valence, 0.9 as energy union all select null, 0.2), output => 'probability') group by class)";
    assert_eq!(one(shares).await, "true 2");
    let number = "select class is null, feature, contribution, baseline, prediction from shap_explain('plays', (select 0.1 as valence, 0.1 as energy))";
    assert_eq!(
        one(number).await,
        "true valence -3.5 10.5 7.0\ntrue energy 0.0 10.5 7.0"
    );
    let three = "select class, feature, contribution, baseline, prediction from shap_explain('tags', (select 0.1 as valence, 0.9 as energy), class => 'metal', top_k => 1)";
    assert_eq!(one(three).await, "metal energy 1.0 1.0 2.0");
}

#[tokio::test]
async fn an_output_that_a_model_does_not_have_is_refused() {
    for (model, output, expected) in [
        (
            "grove",
            "margin",
            "model 'grove' is a random forest, whose answer is a mean of probabilities and has no margin, use 'probability'",
        ),
        (
            "plays",
            "probability",
            "model 'plays' predicts a number, it has no probability",
        ),
    ] {
        let sql = format!("select * from shap_explain('{model}', {TRACKS}, output => '{output}')");
        assert_refused(&sql, expected).await;
    }
}

#[tokio::test]
async fn the_wide_form_has_a_column_for_each_feature() {
    let sql = format!(
        "select * from shap_explain('grove', {TRACKS}, class => 'happy', format => 'wide') order by track_id"
    );
    let ctx = session();
    let fields = ctx.sql(&sql).await.unwrap();
    let names: Vec<&str> = fields
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    assert_eq!(
        names.join(" "),
        "track_id valence energy class prediction baseline additivity_error valence_contribution energy_contribution"
    );
    let same = format!(
        "select bool_and(abs(w.prediction - l.prediction) < 1e-12 and abs(l.contribution - case l.feature when 'valence' then w.valence_contribution else w.energy_contribution end) < 1e-12), count(*)
         from shap_explain('grove', {TRACKS}, format => 'wide') as w inner join shap_explain('grove', {TRACKS}) as l on w.track_id = l.track_id and w.class = l.class"
    );
    assert_eq!(one(&same).await, "true 4");
    let logistic = format!(
        "select track_id, round(valence_contribution, 6), round(prediction, 6) from shap_explain('mood', {TRACKS}, class => 'happy', format => 'wide') order by 1"
    );
    assert_eq!(one(&logistic).await, "a 1.6 1.6\nb  ");
    for (options, expected) in [
        (
            "top_k => 1, format => 'wide'",
            "shap_explain: 'wide' has a column for every feature",
        ),
        (
            "format => 'tall'",
            "shap_explain: unknown format 'tall', expected 'long' or 'wide'",
        ),
    ] {
        let sql = format!("select * from shap_explain('grove', {TRACKS}, {options})");
        assert_refused(&sql, expected).await;
    }
    assert_refused(
        "select * from shap_explain('grove', (select 1 as valence, 1 as energy, 1 as energy_contribution), format => 'wide')",
        "the input has a column 'energy_contribution', rename it",
    )
    .await;
}

#[tokio::test]
async fn trees_do_not_cluster() {
    assert_refused(
        "select kmeans_assign('grove', 1, 2)",
        "kmeans_assign: model 'grove' is a random forest, use ml_predict",
    )
    .await;
}
