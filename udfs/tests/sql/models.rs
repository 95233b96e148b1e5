//! The functions of one row that use a model.

use std::sync::Arc;

use datafusion::prelude::SessionContext;
use moodlake_udfs::{ModelKind, ModelSource, register_all};

use crate::{assert_refused, genre, model, modes, mood, one, rows, rows_in};

#[tokio::test]
async fn known_rows_have_known_answers() {
    assert_eq!(one("select kmeans_assign('modes', 0.9, 0.8)").await, "1");
    assert_eq!(
        one("select round(kmeans_distance('modes', 0.9, 0.8), 3)").await,
        "0.632"
    );
    assert_eq!(one("select ml_predict('mood', 0.9, 0.8)").await, "happy");
    assert_eq!(
        one("select round(ml_predict_proba('mood', 'happy', 0.9, 0.8), 3)").await,
        "0.832"
    );
    let shap = "select round(shap_values('mood', 'happy', null, 'margin', 0.9, 0.8)[1]['contribution'], 3)";
    assert_eq!(one(shap).await, "1.6");
}

#[tokio::test]
async fn features_come_in_order_or_by_name_and_of_any_numeric_type() {
    let by_name = "select ml_predict('mood', named_struct('energy', 0.1, 'valence', v, 'tempo', 99)), kmeans_assign('modes', named_struct('energy', v, 'valence', v)) from (values (0.9), (0.2)) as t(v)";
    assert_eq!(rows(by_name).await, ["happy 1", "sad 0"]);
    let types = "select ml_predict('mood', 1, cast(0.5 as decimal(5, 2))), ml_predict('mood', cast(0 as tinyint), cast(1 as real))";
    assert_eq!(one(types).await, "happy sad");
    let named = "select ml_predict(model => 'mood', features => named_struct('energy', 0.1, 'valence', 0.9))";
    assert_eq!(one(named).await, "happy");
}

#[tokio::test]
async fn a_probability_is_of_the_class_asked_for() {
    let binary = "select round(ml_predict_proba('mood', v, 0.5), 4), round(ml_predict_proba('mood', 'sad', v, 0.5), 4) from (values (0.9), (0.2)) as t(v)";
    assert_eq!(rows(binary).await, ["0.832 0.168", "0.2315 0.7685"]);
    let predicted = "select ml_predict('genre', v, e), ml_predict_proba('genre', v, e) = greatest(ml_predict_proba('genre', 'ambient', v, e), ml_predict_proba('genre', 'pop', v, e), ml_predict_proba('genre', 'metal', v, e)),
        round(ml_predict_proba('genre', 'ambient', v, e) + ml_predict_proba('genre', 'pop', v, e) + ml_predict_proba('genre', 'metal', v, e), 12)
        from (values (0.1, 0.1), (0.9, 0.5), (0.1, 0.9)) as t(v, e)";
    assert_eq!(
        rows(predicted).await,
        ["ambient true 1.0", "pop true 1.0", "metal true 1.0"]
    );
}

#[tokio::test]
async fn a_class_may_be_left_out_when_arguments_have_names() {
    for (call, expected) in [
        ("model => 'mood', features => s", "0.832"),
        ("model => 'mood', class => 'sad', features => s", "0.168"),
        ("features => s, class => null, model => 'mood'", "0.832"),
        ("'mood', features => s", "0.832"),
        ("'mood', 'sad', s", "0.168"),
        ("'mood', null, s", "0.832"),
    ] {
        let sql = format!(
            "select round(ml_predict_proba({call}), 3) from (select named_struct('energy', 0.1, 'valence', 0.9) as s)"
        );
        assert_eq!(one(&sql).await, expected, "{call}");
    }
}

#[tokio::test]
async fn a_model_without_rows_answers_null_and_knows_its_features() {
    let waiting = model("waiting", ModelKind::Untrained);
    let ctx = SessionContext::new();
    let models = Arc::new(ModelSource::try_from(vec![waiting]).unwrap());
    register_all(&ctx, &models).unwrap();
    let sql = "select kmeans_assign('waiting', v, 0.5) is null and kmeans_distance('waiting', v, 0.5) is null
            and ml_predict('waiting', v, 0.5) is null and ml_predict_proba('waiting', v, 0.5) is null
            and ml_predict_proba('waiting', 'happy', v, 0.5) is null
            and shap_values('waiting', 'happy', null, null, v, 0.5) is null
        from (values (0.9), (null)) as t(v)";
    assert_eq!(rows_in(&ctx, sql).await, ["true", "true"]);
    let explained = "select * from shap_explain(model => 'waiting', input => (select 1 as valence, 2 as energy))";
    assert!(rows_in(&ctx, explained).await.is_empty());
    let wrong = ctx.sql("select ml_predict('waiting', 0.5)").await;
    let message = wrong.unwrap_err().to_string();
    assert!(
        message.contains("model 'waiting' needs 2 features, got 1; in order: valence, energy"),
        "{message}"
    );
}

#[tokio::test]
async fn an_unknown_feature_gives_null() {
    for feature in ["null", "'NaN'::double", "'Infinity'::double"] {
        let sql = format!(
            "select kmeans_assign('modes', {feature}, 0.5) is null, kmeans_distance('modes', 0.5, {feature}) is null,
             ml_predict('mood', {feature}, 0.5) is null, ml_predict_proba('mood', 'sad', {feature}, 0.5) is null"
        );
        assert_eq!(one(&sql).await, "true true true true", "{feature}");
    }
    let mixed = "select ml_predict('mood', v, 0.5), kmeans_assign('modes', v, 0.9) from (values (0.9), (null), (0.2)) as t(v)";
    assert_eq!(rows(mixed).await, ["happy 1", " ", "sad 1"]);
    assert_eq!(
        one("select ml_predict(null, 0.5, 0.5) is null").await,
        "true"
    );
    assert!(
        rows("select ml_predict('mood', v, v) from (select 0.5 as v where false)")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn wrong_features_are_refused_while_planning() {
    let count = "ml_predict: model 'mood' needs 2 features, got 1; in order: valence, energy";
    assert_refused("select ml_predict('mood', 0.5)", count).await;
    assert_refused(
        "select kmeans_assign('modes', 1, 2, 3)",
        "kmeans_assign: model 'modes' needs 2 features, got 3",
    )
    .await;
    let missing = "kmeans_assign: model 'modes' misses features 'valence'";
    assert_refused(
        "select kmeans_assign('modes', named_struct('energy', 1.0, 'tempo', 2.0))",
        missing,
    )
    .await;
    let text = "ml_predict: feature 'energy' of model 'mood' must be numeric, got Utf8";
    assert_refused("select ml_predict('mood', 0.5, 'loud')", text).await;
    assert_refused(
        "select ml_predict('mood', named_struct('energy', 'loud', 'valence', 1))",
        text,
    )
    .await;
    assert_refused(
        "select ml_predict('mood', true, 0.5)",
        "feature 'valence' of model 'mood' must be numeric",
    )
    .await;
    assert_refused(
        "select ml_predict('mood')",
        "ml_predict: model 'mood' needs 2 features, got 0",
    )
    .await;
}

#[tokio::test]
async fn wrong_models_and_classes_are_refused_while_planning() {
    assert_refused(
        "select ml_predict('moood', 1, 2)",
        "ml_predict: no model 'moood': make one with CREATE MODEL",
    )
    .await;
    assert_refused(
        "select ml_predict('mood@8', 1, 2)",
        "model 'mood' has no version 8, the current one is 7",
    )
    .await;
    assert_refused("select ml_predict('mood@x', 1, 2)", "has no alias 'x'").await;
    assert_refused(
        "select ml_predict('modes', 1, 2)",
        "ml_predict: model 'modes' is k-means, use kmeans_assign",
    )
    .await;
    assert_refused(
        "select kmeans_distance('mood', 1, 2)",
        "kmeans_distance: model 'mood' is logistic, use ml_predict",
    )
    .await;
    assert_refused(
        "select ml_predict(n, 1, 2) from (values ('mood')) as t(n)",
        "argument 'model' must be a literal text",
    )
    .await;
    assert_refused(
        "select ml_predict(1, 1, 2)",
        "ml_predict: argument 'model' must be a text",
    )
    .await;
    let class =
        "ml_predict_proba: model 'mood' has no class 'glad', expected one of 'sad', 'happy'";
    assert_refused("select ml_predict_proba('mood', 'glad', 1, 2)", class).await;
}

#[tokio::test]
async fn a_plan_names_the_version_and_a_source_keeps_earlier_ones() {
    let plan = rows("explain select ml_predict('mood', v, v) from (values (0.1)) as t(v)")
        .await
        .join("\n");
    assert!(plan.contains("mood@7"), "{plan}");
    let models = Arc::new(ModelSource::try_from(vec![mood(), genre(), modes()]).unwrap());
    let ctx = SessionContext::new();
    register_all(&ctx, &models).unwrap();
    let mut newer = mood();
    newer.version = 8;
    if let ModelKind::Logistic(logistic) = &mut newer.kind {
        logistic.weights[0][0] = -1.0;
    }
    models.insert(Arc::new(newer)).unwrap();
    let sql = "select ml_predict('mood', 0.9, 0.5), ml_predict('mood@7', 0.9, 0.5), ml_predict('mood@8', 0.9, 0.5)";
    assert_eq!(rows_in(&ctx, sql).await, ["sad happy sad"]);
    assert!(models.remove("mood") && !models.remove("mood"));
    assert!(models.get("mood").is_err());
}

#[test]
fn a_model_that_does_not_fit_together_is_refused() {
    let mut broken = mood();
    broken.features.pop();
    let message = broken.validate().unwrap_err().to_string();
    assert!(
        message.contains("model 'mood@7' cannot be used: means and scales must have one value"),
        "{message}"
    );
    let mut broken = modes();
    if let ModelKind::KMeans(kmeans) = &mut broken.kind {
        kmeans.scales[1] = 0.0;
    }
    assert!(ModelSource::new().insert(Arc::new(broken)).is_err());
}
