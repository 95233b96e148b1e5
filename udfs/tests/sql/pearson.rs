//! `pearson` and `pearson_test`.

use crate::{assert_refused, one, rows, rows_in, session};

const FOUR: &str = "(values (1, 2.0), (2, 1.0), (3, 4.0), (4, 3.0)) as t(x, y)";

#[tokio::test]
async fn the_documented_example_holds() {
    assert_eq!(
        one(&format!("select round(pearson(x, y), 4) from {FOUR}")).await,
        "0.6"
    );
    let test = "select round(t['r'], 4), t['n'], round(t['p_value'], 4) from (select pearson_test(x, y) as t from";
    assert_eq!(one(&format!("{test} {FOUR})")).await, "0.6 4 0.4");
}

#[tokio::test]
async fn every_numeric_type_is_taken() {
    for data_type in ["tinyint", "bigint unsigned", "real", "decimal(10, 2)"] {
        let sql = format!("select round(pearson(cast(x as {data_type}), y), 4) from {FOUR}");
        assert_eq!(one(&sql).await, "0.6", "{data_type}");
    }
}

#[tokio::test]
async fn names_may_be_given() {
    let sql = format!(
        "select round(pearson_test(y => y, x => x, confidence => 0.5)['ci_high'], 4) from {FOUR}"
    );
    let positional = format!("select round(pearson_test(x, y, 0.5)['ci_high'], 4) from {FOUR}");
    assert_eq!(one(&sql).await, one(&positional).await);
}

#[tokio::test]
async fn the_confidence_may_be_a_parameter() {
    let ctx = session();
    let prepare = format!(
        "prepare test(double) as select round(pearson_test(x, y, $1)['ci_high'], 4) as high from {FOUR}"
    );
    rows_in(&ctx, &prepare).await;
    let literal =
        format!("select round(pearson_test(x, y, 0.5)['ci_high'], 4) as high from {FOUR}");
    assert_eq!(
        rows_in(&ctx, "execute test(0.5)").await,
        rows(&literal).await
    );
    let message = ctx
        .sql("execute test(95)")
        .await
        .unwrap()
        .collect()
        .await
        .unwrap_err();
    assert!(
        message
            .to_string()
            .contains("confidence must lie between 0 and 1, got 95"),
        "{message}"
    );
}

#[tokio::test]
async fn squares_that_no_double_holds_are_null() {
    for unit in ["1e200", "1e-200"] {
        let sql = format!(
            "select pearson(x * {unit}, y) is null, pearson_test(x * {unit}, y) is null from {FOUR}"
        );
        assert_eq!(one(&sql).await, "true true", "{unit}");
    }
}

#[tokio::test]
async fn nothing_too_few_and_constants_are_null() {
    for source in [
        "(select 1 as x, 2 as y where false)",
        "(values (1, 2)) as t(x, y)",
        "(values (1, 2), (2, 1)) as t(x, y)",
        "(values (0.1, 2), (0.1, 1), (0.1, 5)) as t(x, y)",
        "(values (1, 2), (2, null), (null, 5), (3, 4)) as t(x, y)",
    ] {
        let sql = format!(
            "select pearson(x, y) is null, pearson_test(x, y) is null, pearson_test(x, y)['n'] is null from {source}"
        );
        assert_eq!(one(&sql).await, "true true true", "{source}");
    }
}

#[tokio::test]
async fn rows_with_a_null_side_are_left_out() {
    let sql = "select round(pearson(x, y), 4), pearson_test(x, y)['n'] from (values (1, 2.0), (2, 1.0), (null, 9.0), (3, 4.0), (7, null), (4, 3.0)) as t(x, y)";
    assert_eq!(one(sql).await, "0.6 4");
}

#[tokio::test]
async fn nan_makes_nan() {
    let sql = "select pearson(x, y), pearson_test(x, y)['p_value'] from (values (1.0, 2.0), (2.0, 'NaN'::double), (3.0, 1.0)) as t(x, y)";
    assert_eq!(one(sql).await, "NaN NaN");
}

#[tokio::test]
async fn groups_and_filters_agree_with_single_aggregates() {
    let source = "(select value % 3 as g, value * 7919 % 1009 as x, (value * 7919 % 1009) + (value * 31 % 499) as y from generate_series(1, 9999) as s(value))";
    let grouped = rows(&format!(
        "select g, round(pearson(x, y), 10) from {source} group by g order by g"
    ))
    .await;
    let filtered = rows(&format!(
        "select round(pearson(x, y) filter (where g = 0), 10), round(pearson(x, y) filter (where g = 1), 10), round(pearson(x, y) filter (where g = 2), 10) from {source}"
    ))
    .await;
    let values: Vec<&str> = grouped.iter().map(|row| &row[2..]).collect();
    assert_eq!(values.join(" "), filtered[0]);
    let filtered_groups =
        rows(&format!("select g, round(pearson(x, y) filter (where x > 0), 10) from {source} group by g order by g")).await;
    let where_groups = rows(&format!(
        "select g, round(pearson(x, y), 10) from {source} where x > 0 group by g order by g"
    ))
    .await;
    assert_eq!(filtered_groups, where_groups);
}

#[tokio::test]
async fn a_sliding_window_forgets_what_left() {
    let sql = "select round(pearson(x, y) over (order by i rows between 2 preceding and current row), 6)
               from (values (1, 'NaN'::double, 1.0), (2, 1.0, 1.0), (3, 2.0, 2.0), (4, 3.0, 3.0), (5, 4.0, 3.0), (6, 5.0, 3.0), (7, 6.0, 3.0)) as t(i, x, y)
               order by i";
    assert_eq!(rows(sql).await, ["", "", "NaN", "1.0", "0.866025", "", ""]);
}

#[tokio::test]
async fn a_growing_window_is_an_aggregate_of_what_came() {
    let sql = "select round(pearson(x, y) over (order by x), 4) from (values (1, 2.0), (2, 1.0), (3, 4.0), (4, 3.0)) as t(x, y) order by x";
    assert_eq!(rows(sql).await, ["", "", "0.6547", "0.6"]);
}

#[tokio::test]
async fn wrong_calls_are_refused() {
    assert_refused(
        "select pearson('a', 1)",
        "pearson: argument 'x' must be numeric, got Utf8",
    )
    .await;
    assert_refused(
        "select pearson(1)",
        "pearson: expected pearson(x, y), got 1 arguments",
    )
    .await;
    assert_refused(
        "select pearson_test(1, 2, 3, 4)",
        "expected pearson_test(x, y[, confidence]), got 4",
    )
    .await;
    assert_refused(
        &format!("select pearson_test(x, y, 95) from {FOUR}"),
        "confidence must lie between 0 and 1, got 95",
    )
    .await;
    assert_refused(
        &format!("select pearson_test(x, y, y) from {FOUR}"),
        "'confidence' must be a literal",
    )
    .await;
    assert_refused(
        &format!("select pearson(distinct x, y) from {FOUR}"),
        "pearson: DISTINCT is not supported",
    )
    .await;
}
