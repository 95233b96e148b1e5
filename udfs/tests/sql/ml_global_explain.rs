//! `ml_global_explain`.

use crate::trees::{TRACKS, assert_refused, one};

#[tokio::test]
async fn features_are_ranked_by_what_they_add_on_the_whole() {
    let sql = "select feature, round(mean_abs_contribution, 6), round(mean_contribution, 6), rank, n
         from ml_global_explain(model => 'grove', input => (select * from (values (0.1, 0.1), (null, 0.1)) as t(valence, energy))) order by rank";
    assert_eq!(
        one(sql).await,
        "energy 0.15 -0.15 1 2\nvalence 0.12 -0.12 2 2"
    );
    let logistic = format!(
        "select feature, round(mean_abs_contribution, 6), rank, n from ml_global_explain('mood', {TRACKS}, class => 'sad', output => 'probability') order by rank"
    );
    assert_eq!(one(&logistic).await, "valence 0.332018 1 1\nenergy 0.0 2 1");
    assert!(
        one(&format!("select * from ml_global_explain(null, {TRACKS})"))
            .await
            .is_empty()
    );
    assert_refused(
        "select * from ml_global_explain('grove', (select 1 as energy))",
        "ml_global_explain: model 'grove' misses features 'valence'",
    )
    .await;
    assert_refused(
        &format!("select * from ml_global_explain('grove', {TRACKS}, class => 'glad')"),
        "ml_global_explain: model 'grove' has no class 'glad', expected one of 'sad', 'happy'",
    )
    .await;
}
