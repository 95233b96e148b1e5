//! `shap_explain`.

use datafusion::{
    arrow::{array::AsArray, datatypes::Int64Type},
    config::Dialect,
    physical_plan::displayable,
    sql::parser::Statement,
};
use moodlake_udfs::expand_inputs;

use crate::{assert_refused, one, rows, rows_in, session};

const TRACKS: &str =
    "(select * from (values ('a', 0.9, 0.8), ('b', 0.2, 0.1)) as t(track_id, valence, energy))";

#[tokio::test]
async fn a_row_per_feature_beside_the_inputs_columns() {
    let sql = format!(
        "select * from shap_explain(model => 'mood', input => {TRACKS}) order by track_id, feature"
    );
    let expected = [
        "a 0.9 0.8 happy energy 0.8 0.0 0.0 0.0 1.6 0.0",
        "a 0.9 0.8 happy valence 0.9 1.6 100.0 0.0 1.6 0.0",
        "b 0.2 0.1 sad energy 0.1 0.0 0.0 0.0 1.2 0.0",
        "b 0.2 0.1 sad valence 0.2 1.2 100.0 0.0 1.2 0.0",
    ];
    let rounded: Vec<String> = rows(&sql)
        .await
        .iter()
        .map(|row| row.replace("-0.0", "0.0"))
        .collect();
    assert_eq!(rounded, expected);
}

#[tokio::test]
async fn contributions_add_up_to_the_prediction() {
    for (model, class, output) in [
        ("mood", "'sad'", "margin"),
        ("mood", "null", "probability"),
        ("genre", "'metal'", "margin"),
        ("genre", "null", "margin"),
        ("genre", "null", "probability"),
        ("genre", "'ambient'", "probability"),
    ] {
        let sql = format!(
            "select max(abs(total - prediction)) < 1e-9, max(abs(shares - 100)) < 1e-9, count(*) from (
                select track_id, first_value(prediction) as prediction, sum(contribution) + first_value(baseline) as total, sum(abs(contribution_pct)) as shares
                from shap_explain(model => '{model}', class => {class}, output => '{output}', input => {TRACKS}) group by track_id)"
        );
        assert_eq!(one(&sql).await, "true true 2", "{model} {class} {output}");
    }
}

#[tokio::test]
async fn the_prediction_is_the_models() {
    let sql = format!(
        "select bool_and(abs(prediction - ml_predict_proba('genre', valence, energy)) < 1e-12), bool_and(class = ml_predict('genre', valence, energy))
         from shap_explain('genre', {TRACKS}, output => 'probability')"
    );
    assert_eq!(one(&sql).await, "true true");
}

#[tokio::test]
async fn the_largest_contributions_stay() {
    let sql = format!(
        "select track_id, feature from shap_explain(model => 'genre', class => 'metal', top_k => 1, input => {TRACKS}) order by 1"
    );
    assert_eq!(rows(&sql).await, ["a energy", "b energy"]);
    let all = format!(
        "select count(*) from shap_explain(model => 'genre', top_k => 99, input => {TRACKS})"
    );
    assert_eq!(one(&all).await, "4");
}

#[tokio::test]
async fn subqueries_ctes_and_joins_are_inputs() {
    let ctx = session();
    rows_in(
        &ctx,
        &format!("create table tracks as select * from {TRACKS}"),
    )
    .await;
    let cte = "with few as (select * from tracks limit 1) select count(*) from shap_explain(model => 'mood', input => few)";
    assert_eq!(rows_in(&ctx, cte).await, ["2"]);
    let upper = "select count(*) from SHAP_EXPLAIN('mood', (select * from tracks)) as e where e.feature = 'energy'";
    assert_eq!(rows_in(&ctx, upper).await, ["2"]);
    let join = "select max(e.value) from shap_explain(model => 'mood', input => (select a.track_id, a.valence, b.energy from tracks as a
        inner join tracks as b on a.track_id = b.track_id)) as e inner join tracks on tracks.track_id = e.track_id";
    assert_eq!(rows_in(&ctx, join).await, ["0.9"]);
    let sorted = "select shap_explain.feature from shap_explain(model => 'mood', input => (select * from tracks order by track_id limit 1)) order by 1";
    assert_eq!(rows_in(&ctx, sorted).await, ["energy", "valence"]);
}

#[tokio::test]
async fn a_tables_name_is_an_input_once_it_is_written_out() {
    let ctx = session();
    rows_in(
        &ctx,
        &format!("create table tracks as select * from {TRACKS}"),
    )
    .await;
    let sql = "select count(*) from shap_explain(model => 'mood', input => tracks) where exists (select * from Shap_Explain('mood', public.tracks))";
    let mut parsed = ctx
        .state()
        .sql_to_statement(sql, &Dialect::Generic)
        .unwrap();
    let Statement::Statement(statement) = &mut parsed else {
        panic!("not SQL: {sql}")
    };
    expand_inputs(statement).unwrap();
    let plan = ctx.state().statement_to_plan(parsed).await.unwrap();
    let batches = ctx
        .execute_logical_plan(plan)
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    assert_eq!(batches[0].column(0).as_primitive::<Int64Type>().value(0), 4);
    assert_refused(
        sql,
        "shap_explain: argument 'input' is a relation and 'tracks' is none",
    )
    .await;
}

#[tokio::test]
async fn empty_input_gives_nothing_and_unknown_features_stay_unexplained() {
    let empty = format!(
        "select * from shap_explain(model => 'mood', input => (select * from {TRACKS} where false))"
    );
    assert!(rows(&empty).await.is_empty());
    let unknown = "select feature, value, contribution, prediction from shap_explain(model => 'mood', input => (select 0.5 as energy, null as valence)) order by 1";
    assert_eq!(rows(unknown).await, ["energy 0.5  ", "valence   "]);
    assert!(
        rows(&format!(
            "select * from shap_explain(model => null, input => {TRACKS})"
        ))
        .await
        .is_empty()
    );
}

#[tokio::test]
async fn the_plan_is_a_projection_over_the_input_with_the_version() {
    let sql = format!(
        "explain select * from shap_explain(model => 'mood', input => {TRACKS}) where track_id = 'a'"
    );
    let plan = rows(&sql).await.join("\n");
    assert!(plan.contains("Unnest") && plan.contains("mood@7"), "{plan}");
}

#[tokio::test]
async fn wrong_calls_are_refused_while_planning() {
    for (call, expected) in [
        (
            "input => (select 1 as energy), model => 'mood'",
            "shap_explain: model 'mood' misses features 'valence'",
        ),
        (
            "input => (select 'x' as energy, 1 as valence), model => 'mood'",
            "feature 'energy' of model 'mood' must be numeric",
        ),
        (
            "input => (select 1 as energy, 2 as valence, 3 as class), model => 'mood'",
            "the input has a column 'class', rename it",
        ),
        (
            "model => 'mood'",
            "shap_explain: argument 'input' is missing",
        ),
        (
            "model => 'mood', input => 'tracks'",
            "argument 'input' is a relation and ''tracks'' is none, write input => (SELECT …)",
        ),
        (
            "model => mood, input => (select 1)",
            "argument 'model' is a constant, text goes in quotes: model => 'mood'",
        ),
        (
            "model => 'nope', input => (select 1)",
            "shap_explain: no model 'nope'",
        ),
        (
            "model => 'modes', input => (select 1 as energy, 1 as valence)",
            "shap_explain: model 'modes' is k-means",
        ),
    ] {
        assert_refused(&format!("select * from shap_explain({call})"), expected).await;
    }
    for (option, expected) in [
        (
            "class => 'glad'",
            "shap_explain: model 'mood' has no class 'glad'",
        ),
        (
            "top_k => 0",
            "shap_explain: top_k must be a whole number from 1, got 0",
        ),
        (
            "top_k => 'two'",
            "shap_explain: top_k must be a whole number from 1",
        ),
        (
            "output => 'odds'",
            "shap_explain: unknown output 'odds', expected 'margin' or 'probability'",
        ),
        (
            "outptu => 'odds'",
            "shap_explain: no argument 'outptu', expected one of model, input, class, top_k, output",
        ),
        (
            "class => 'sad', class => 'sad'",
            "shap_explain: argument 'class' is given twice",
        ),
    ] {
        assert_refused(
            &format!("select * from shap_explain('mood', {TRACKS}, {option})"),
            expected,
        )
        .await;
    }
}

#[tokio::test]
async fn an_input_with_the_same_name_twice_is_refused() {
    let sql = "select * from shap_explain(model => 'mood', input => (select * from (select 1 as energy, 1 as valence) as a cross join (select 2 as energy) as b))";
    assert_refused(
        sql,
        "shap_explain: the input has two columns 'energy', rename one",
    )
    .await;
}

#[tokio::test]
async fn only_rows_within_the_limit_are_explained() {
    let sql = format!(
        "select feature, contribution from shap_explain('mood', (select * from {TRACKS} order by track_id limit 1))"
    );
    let plan = session()
        .sql(&sql)
        .await
        .unwrap()
        .create_physical_plan()
        .await
        .unwrap();
    let text = displayable(plan.as_ref()).indent(true).to_string();
    let (explained, limited) = (text.find("shap_values"), text.find("SortExec"));
    assert!(explained.is_some() && explained < limited, "{text}");
}
