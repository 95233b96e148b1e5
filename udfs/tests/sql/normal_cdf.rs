//! `normal_cdf`.

use crate::{assert_refused, one, rows};

/// References: `scipy.stats.norm.cdf` of scipy 1.17.1.
#[tokio::test]
async fn it_agrees_with_scipy_far_into_the_tails() {
    let sql = "select abs(normal_cdf(z) / p - 1) < 1e-12 from (values (0.0, 0.5), (1.0, 0.8413447460685429),
               (-1.0, 0.15865525393145707), (1.959963984540054, 0.975), (-5.0, 2.866515718791933e-07),
               (-10.0, 7.61985302416047e-24), (-37.0, 5.7255712225239266e-300)) as t(z, p)";
    assert!(
        rows(sql).await.iter().all(|agrees| agrees == "true"),
        "{:?}",
        rows(sql).await
    );
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
        "normal_cdf: expected 1 argument (z), got 2",
    )
    .await;
}
