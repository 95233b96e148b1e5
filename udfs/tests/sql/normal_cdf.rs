//! `normal_cdf`.

use crate::{assert_refused, one, rows};

#[tokio::test]
async fn every_number_has_a_probability() {
    let sql = "select round(normal_cdf(z), 6) from (values (-1.0), (0.0), (1.0)) as t(z)";
    assert_eq!(rows(sql).await, ["0.158655", "0.5", "0.841345"]);
}

#[tokio::test]
async fn null_nan_and_infinities_have_their_values() {
    assert_eq!(
        one("select round(normal_cdf(1.959963984540054), 6)").await,
        "0.975"
    );
    assert_eq!(
        one("select normal_cdf(null) is null, normal_cdf('NaN'::double)").await,
        "true NaN"
    );
    assert_eq!(
        one("select normal_cdf('-Infinity'::double), normal_cdf('Infinity'::double)").await,
        "0.0 1.0"
    );
    assert_eq!(one("select normal_cdf(z => 0)").await, "0.5");
}

#[tokio::test]
async fn wrong_calls_are_refused() {
    assert_refused(
        "select normal_cdf('a')",
        "normal_cdf: argument 'z' must be numeric, got Utf8",
    )
    .await;
    assert_refused(
        "select normal_cdf(1, 2)",
        "normal_cdf: expected normal_cdf(z), got 2 arguments",
    )
    .await;
}
