//! `pearson_matrix`. Expected values: scipy 1.17.1 and statsmodels 0.15.0 (`multipletests`).

use crate::{assert_refused, rows};

const ROWS: &str = "(select a, a / 3 + (i * 53 % 97) / 97.0 as b, (i * 29 % 89) / 89.0 as c,
        (i * 71 % 113) / 113.0 - (i * 29 % 89) / 89.0 / 3 as d, 'text' as name
    from (select i, (i * 37 % 101) / 101.0 as a from (select value as i from generate_series(0, 79) as s(value))))";

#[tokio::test]
async fn all_pairs_of_numeric_columns() {
    let sql = format!(
        "select x, y, round(r, 8), n, round(p_value, 8), round(p_holm, 8), round(q_value, 8) from pearson_matrix({ROWS}) order by x, y"
    );
    let expected = [
        "a b 0.41759245 80 0.00011624 0.00069743 0.00069743",
        "a c 0.06705265 80 0.55454462 1.0 0.65867389",
        "a d -0.05873892 80 0.60476847 1.0 0.65867389",
        "b c 0.05014671 80 0.65867389 1.0 0.65867389",
        "b d -0.12018842 80 0.28826557 1.0 0.57653115",
        "c d -0.12934795 80 0.25282007 1.0 0.57653115",
    ];
    assert_eq!(rows(&sql).await, expected);
}

#[tokio::test]
async fn pairs_without_a_test_do_not_count() {
    let sql = format!(
        "select x, y, round(r, 8), round(p_value, 8), round(p_holm, 8), round(q_value, 8)
         from pearson_matrix((select a, b, 1 as one, case when a > 0.5 then 'nan'::double else a end as bad from {ROWS}), columns => 'b, a, one, bad') order by y, x"
    );
    let expected = [
        "b a 0.41759245 0.00011624 0.00011624 0.00011624",
        "a bad NaN NaN  ",
        "b bad NaN NaN  ",
        "one bad NaN NaN  ",
        "a one    ",
        "b one    ",
    ];
    assert_eq!(rows(&sql).await, expected);
}

#[tokio::test]
async fn wrong_columns_are_refused_while_planning() {
    for (call, expected) in [
        (
            "pearson_matrix((select 1 as a, 'x' as b))",
            "pearson_matrix: takes 2 to 64 numeric columns, got 1",
        ),
        (
            "pearson_matrix((select 1 as a, 'x' as b), 'a, b')",
            "pearson_matrix: column 'b' must be numeric, got Utf8",
        ),
        (
            "pearson_matrix((select 1 as a, 2 as b), 'a, c')",
            "pearson_matrix: the input has no column 'c', which columns names",
        ),
        (
            "pearson_matrix((select 1 as a, 2 as b), 'a, a')",
            "pearson_matrix: columns names column 'a' twice",
        ),
        (
            "pearson_matrix()",
            "pearson_matrix: argument 'input' is missing",
        ),
    ] {
        assert_refused(&format!("select * from {call}"), expected).await;
    }
}
