//! `auc`, `auc_test`, `spearman`, `log_loss` and `brier`. Expected values: scikit-learn 1.9.1 and scipy 1.17.1.

use crate::{assert_refused, failure, one, rows};

/// 60 rows of two groups with ties, a null on each side in each group.
const ROWS: &str =
    "(select i % 2 as half, i, case when i % 29 <> 7 then i * 53 % 97 > 40 end as label,
    case when i % 31 <> 9 then (i * 37 % 101 / 8) / 13.0 end as score
    from (select value as i from generate_series(0, 59) as s(value)))";

#[tokio::test]
async fn they_agree_with_scikit_learn_and_scipy() {
    let sql = format!(
        "select round(auc(label, score), 12), round(log_loss(label, score), 12), round(brier(label, score), 12), round(spearman(i, score), 12) from {ROWS}"
    );
    assert_eq!(
        one(&sql).await,
        "0.573979591837 0.826771626008 0.297020287405 0.038759050355"
    );
}

#[tokio::test]
async fn groups_filters_and_windows_answer_alike() {
    let grouped = rows(&format!(
        "select half, round(auc(label, score), 12), round(log_loss(label, score), 12), round(brier(label, score), 12), round(spearman(i, score), 12)
         from {ROWS} group by half order by half"
    ))
    .await;
    let filtered = rows(&format!(
        "select h, round(auc(label, score) filter (where half = h), 12), round(log_loss(label, score) filter (where half = h), 12),
            round(brier(label, score) filter (where half = h), 12), round(spearman(i, score) filter (where half = h), 12)
         from {ROWS} cross join (values (0), (1)) as halves(h) group by h order by h"
    ))
    .await;
    let windows = rows(&format!(
        "select distinct half, round(auc(label, score) over w, 12), round(log_loss(label, score) over w, 12),
            round(brier(label, score) over w, 12), round(spearman(i, score) over w, 12)
         from {ROWS} window w as (partition by half) order by half"
    ))
    .await;
    let expected = [
        "0 0.571794871795 0.80875812673 0.290574809806 -0.019273635391",
        "1 0.576923076923 0.844785125285 0.303465765004 0.096380123671",
    ];
    assert_eq!(grouped, expected);
    assert_eq!(grouped, filtered);
    assert_eq!(grouped, windows);
}

#[tokio::test]
async fn a_window_whose_rows_leave_is_the_same_as_those_rows() {
    let sql = format!(
        "with slid as (select i, auc(label, score) over w as a, log_loss(label, score) over w as l, spearman(i, score) over w as s
            from {ROWS} window w as (order by i rows between 9 preceding and current row)),
        direct as (select o.i, auc(r.label, r.score) as a, log_loss(r.label, r.score) as l, spearman(r.i, r.score) as s
            from {ROWS} as o join {ROWS} as r on r.i between o.i - 9 and o.i group by o.i)
        select count(*), bool_and((slid.a is not distinct from direct.a) and abs(slid.l - direct.l) < 1e-12
            and (slid.s is not distinct from direct.s))
        from slid join direct on slid.i = direct.i"
    );
    assert_eq!(one(&sql).await, "60 true");
}

#[tokio::test]
async fn the_test_has_its_interval() {
    let sql = format!(
        "select round(t['auc'], 12), t['n_pos'], t['n_neg'], round(t['std_error'], 12), round(t['ci_low'], 12), round(t['ci_high'], 12)
         from (select auc_test(label, score) as t from {ROWS})"
    );
    // DeLong's components written out in numpy.
    assert_eq!(
        one(&sql).await,
        "0.573979591837 28 28 0.079549611355 0.418065218597 0.729893965076"
    );
    let sql = format!(
        "select a['ci_low'] > b['ci_low'], a['std_error'] = b['std_error']
         from (select auc_test(label, score, confidence => 0.5) as a, auc_test(label, score) as b from {ROWS})"
    );
    assert_eq!(one(&sql).await, "true true");
}

#[tokio::test]
async fn labels_may_be_numbers() {
    let sql = format!(
        "select auc(label, score) = auc(whole, score), brier(label, score) = brier(number, score)
         from (select *, cast(label as int) as whole, cast(label as double) as number from {ROWS})"
    );
    assert_eq!(one(&sql).await, "true true");
}

#[tokio::test]
async fn without_rows_or_without_a_class_there_is_no_answer() {
    let none = "(select * from (values (true, 0.5)) as t(label, score) where false)";
    let sql = format!(
        "select auc(label, score), auc_test(label, score), log_loss(label, score), brier(label, score), spearman(score, score) from {none}"
    );
    assert_eq!(one(&sql).await.trim(), "");
    let one_class = "(values (true, 0.5), (true, 0.25), (null, 0.1)) as t(label, score)";
    let sql = format!("select auc(label, score), brier(label, score) from {one_class}");
    assert_eq!(one(&sql).await.trim(), "0.40625");
}

#[tokio::test]
async fn a_nan_makes_the_answer_nan() {
    let values = "(values (true, 0.5), (false, 'nan'::double), (true, 0.1), (false, 0.2)) as t(label, score)";
    let sql = format!(
        "select auc(label, score), log_loss(label, score), brier(label, score), spearman(score, score) from {values}"
    );
    assert_eq!(one(&sql).await, "NaN NaN NaN NaN");
}

#[tokio::test]
async fn wrong_arguments_are_refused() {
    let values = "(values (true, 0.5, 'a')) as t(label, score, text)";
    for (call, expected) in [
        (
            "auc(text, score)",
            "auc: argument 'label' must be boolean or 0 and 1, got",
        ),
        (
            "auc(label, text)",
            "auc: argument 'score' must be numeric, got",
        ),
        (
            "auc(label)",
            "auc: expected auc(label, score), got 1 arguments",
        ),
        (
            "auc_test(label, score, 1.5)",
            "auc_test: confidence must lie between 0 and 1, got 1.5",
        ),
        (
            "auc_test(label, score, score)",
            "auc_test: argument 'confidence' must be a literal between 0 and 1",
        ),
        (
            "brier(distinct label, score)",
            "brier: DISTINCT is not supported",
        ),
        (
            "spearman(label, score)",
            "spearman: argument 'x' must be numeric, got Boolean",
        ),
    ] {
        assert_refused(&format!("select {call} from {values}"), expected).await;
    }
}

#[tokio::test]
async fn rows_that_are_no_labels_or_probabilities_are_refused() {
    for (call, expected) in [
        (
            "auc(2, score)",
            "auc: argument 'label' must be true, false, 0 or 1, got 2",
        ),
        (
            "log_loss(label, score + 1)",
            "log_loss: argument 'probability' must lie between 0 and 1, got 1.5",
        ),
        (
            "brier(label, -score)",
            "brier: argument 'probability' must lie between 0 and 1, got -0.5",
        ),
    ] {
        let sql = format!("select {call} from (values (true, 0.5)) as t(label, score)");
        let message = failure(&sql).await;
        assert!(message.contains(expected), "{message}");
    }
    let filtered = "select brier(label, score) filter (where score <= 1), count(*) from (values (1, true, 0.5), (1, true, 7.0)) as t(g, label, score) group by g";
    assert_eq!(one(filtered).await, "0.25 2");
}
