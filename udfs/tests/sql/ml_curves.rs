//! `ml_roc_curve`, `ml_confusion_matrix`, `ml_calibration` and `ml_feature_info`. Expected values: scikit-learn 1.9.1 and
//! statsmodels 0.15.0 on the same rows.

use std::sync::Arc;

use datafusion::prelude::SessionContext;
use moodlake_udfs::{FeatureStatistics, Model, ModelSource, register_all};

use crate::{assert_refused, mood, one, rows, rows_in};

/// 80 rows with a label of two classes and one of three, and three rows that cannot be judged.
const ROWS: &str = "(select valence, energy,
        case when i = 81 then 'other' when i = 82 then null when valence + noise > 0.5 then 'happy' else 'sad' end as mood,
        case when i > 80 then null when energy + noise < 0.35 then 'ambient' when valence > 0.4 then 'pop' else 'metal' end as genre
    from (select i, case when i <> 80 then (i * 37 % 101) / 101.0 end as valence, (i * 53 % 97) / 97.0 as energy, (i * 29 % 89) / 89.0 - 0.5 as noise
        from (select value as i from generate_series(0, 82) as s(value))))";

#[tokio::test]
async fn the_curve_has_a_row_for_each_probability() {
    let sql = format!(
        "select place, round(threshold, 6), round(recall, 6), round(false_positive_rate, 6), true_positives + false_negatives, false_positives + true_negatives
         from (select *, row_number() over (order by threshold desc) as place from ml_roc_curve('mood', {ROWS}, label => 'mood'))
         where place in (1, 10, 40, 80, 81) order by place"
    );
    let expected = [
        "1 0.876576 0.026316 0.0 38 42",
        "10 0.821237 0.263158 0.0 38 42",
        "40 0.49505 0.736842 0.285714 38 42",
        "80 0.119203 1.0 1.0 38 42",
    ];
    assert_eq!(rows(&sql).await, expected);
}

#[tokio::test]
async fn the_area_below_the_curve_is_the_auc() {
    let sql = format!(
        "select abs(area - value) < 1e-12 from (
            select sum((recall + coalesce(before, 0)) / 2 * (false_positive_rate - coalesce(rate_before, 0))) as area
            from (select *, lag(recall) over (order by threshold desc) as before, lag(false_positive_rate) over (order by threshold desc) as rate_before
                from ml_roc_curve('genre', {ROWS}, class => 'pop', label => 'genre')))
         cross join (select auc(genre = 'pop', ml_predict_proba('genre', 'pop', valence, energy)) as value from {ROWS})"
    );
    assert_eq!(one(&sql).await, "true");
}

#[tokio::test]
async fn the_matrix_has_every_pair_of_classes() {
    let sql = format!(
        "select actual, predicted, n, round(share, 4) from ml_confusion_matrix('genre', (select * from {ROWS} where valence is not null), 'genre') order by actual, predicted"
    );
    let expected = [
        "ambient ambient 22 0.7586",
        "ambient metal 1 0.0345",
        "ambient pop 6 0.2069",
        "metal ambient 6 0.3158",
        "metal metal 13 0.6842",
        "metal pop 0 0.0",
        "pop ambient 6 0.1875",
        "pop metal 11 0.3438",
        "pop pop 15 0.4688",
    ];
    assert_eq!(rows(&sql).await, expected);
    let sql = "select actual, predicted, n, share from ml_confusion_matrix('mood', (select 'sad' as mood, 0.9 as valence, 0.1 as energy), 'mood') order by 1, 2";
    assert_eq!(
        rows(sql).await,
        [
            "happy happy 0 ",
            "happy sad 0 ",
            "sad happy 1 1.0",
            "sad sad 0 0.0"
        ]
    );
}

#[tokio::test]
async fn calibration_has_every_bin() {
    let sql = format!(
        "select bin, low, high, n, round(mean_predicted, 6), round(observed, 6), round(ci_low, 6), round(ci_high, 6)
         from ml_calibration('mood', {ROWS}, bins => 5, label => 'mood') order by bin"
    );
    let expected = [
        "1 0.0 0.2 13 0.154627 0.153846 0.043258 0.422346",
        "2 0.2 0.4 20 0.297426 0.3 0.145477 0.518973",
        "3 0.4 0.6 16 0.507339 0.375 0.184812 0.61359",
        "4 0.6 0.8 19 0.712164 0.631579 0.410395 0.808505",
        "5 0.8 1.0 12 0.84286 1.0 0.757506 1.0",
    ];
    assert_eq!(rows(&sql).await, expected);
    let sql = format!(
        "select sum(n), count(*), round(sum(n * observed) / sum(n), 4) from ml_calibration('genre', (select * from {ROWS} where valence is not null), label => 'genre')"
    );
    // Of three classes: how often the most probable one is right, its accuracy.
    assert_eq!(one(&sql).await, "80 10 0.625");
}

#[tokio::test]
async fn wrong_calls_are_refused_while_planning() {
    let input = "(select 'pop' as label, 0.5 as valence, 0.5 as energy)";
    for (call, expected) in [
        (
            format!("ml_roc_curve('genre', {input}, label => 'label')"),
            "ml_roc_curve: argument 'class' is missing, model 'genre' has 'ambient', 'pop', 'metal'",
        ),
        (
            format!("ml_roc_curve('genre', {input}, 'folk', 'label')"),
            "ml_roc_curve: model 'genre' has no class 'folk', expected one of",
        ),
        (
            format!("ml_calibration('mood', {input}, bins => 0, label => 'label')"),
            "ml_calibration: bins must be 1 to 1000, got 0",
        ),
        (
            format!("ml_confusion_matrix('mood', {input})"),
            "ml_confusion_matrix: model 'mood' does not say its label",
        ),
        (
            "ml_confusion_matrix('mood', (select 1 as energy, 2 as label), 'label')".to_owned(),
            "ml_confusion_matrix: model 'mood' misses features 'valence'",
        ),
        (
            "ml_feature_info('nothing')".to_owned(),
            "ml_feature_info: no model 'nothing'",
        ),
    ] {
        assert_refused(&format!("select * from {call}"), expected).await;
    }
}

#[tokio::test]
async fn features_are_described_as_far_as_the_model_knows_them() {
    let sql = "select position, feature, mean, std_dev, min, max, count, null_count from ml_feature_info('modes') order by position";
    assert_eq!(
        rows(sql).await,
        ["1 valence 0.5 0.25", "2 energy 0.5 0.25"].map(|row| format!("{row}    "))
    );
    let statistics = |mean| FeatureStatistics {
        count: 9,
        null_count: 1,
        mean,
        std_dev: 0.125,
        min: -1.5e-300,
        max: 1e300,
    };
    let model = Model {
        statistics: Some(vec![statistics(0.5), statistics(0.75)]),
        ..mood()
    };
    #[expect(clippy::disallowed_methods, reason = "a plain session")]
    let ctx = SessionContext::new();
    let models = Arc::new(ModelSource::try_from(vec![model]).unwrap());
    register_all(&ctx, &models).unwrap();
    let sql = "select feature, mean, std_dev, min, max, count, null_count from ml_feature_info(model => 'mood') order by position";
    assert_eq!(
        rows_in(&ctx, sql).await,
        [
            "valence 0.5 0.125 -1.5e-300 1e300 9 1",
            "energy 0.75 0.125 -1.5e-300 1e300 9 1"
        ]
    );
}
