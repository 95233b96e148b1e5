//! `key_drivers`. Expected values: its formulas written out in numpy over rows; their standard errors are within 3 % of those
//! of 4,000 bootstrap resamples.

use crate::{assert_refused, one, rows};

const ROWS: &str = "(select i % 3 = 0 as is_after, (i * 37 % 101) / 10.0 + case when i % 3 = 0 and (i * 7 + i / 9) % 3 = 1 then 2 else 0 end as minutes,
        case (i * 7 + i / 4) % 3 when 0 then 'x' when 1 then 'y' else 'z' end as daypart
    from (select value as i from generate_series(0, 89) as s(value)))";

#[tokio::test]
async fn effects_by_segment() {
    let sql = format!(
        "select \"column\", segment, n_a, n_b, round(mix_effect, 8), round(rate_effect, 8), round(contribution, 8), round(difference, 8), round(p_value, 8), round(q_value, 8)
         from key_drivers({ROWS}, outcome => 'minutes') order by segment"
    );
    let expected = [
        "daypart x 16 15 -0.05719792 0.44764236 0.39044444 0.77333333 0.31804518 0.47706777",
        "daypart y 7 22 -0.00697258 0.34519481 0.33822222 0.77333333 0.29091209 0.47706777",
        "daypart z 7 23 -0.0135528 0.05821946 0.04466667 0.77333333 0.88427534 0.88427534",
    ];
    assert_eq!(rows(&sql).await, expected);
}

#[tokio::test]
async fn every_column_adds_up_to_the_difference() {
    // One segment is in one group only, one is null, and the outcome is a flag.
    let sql = format!(
        "select bool_and(abs(mix + rate - difference) < 1e-12), bool_and(abs(difference - expected) < 1e-12), count(*), sum(segments)
         from (select \"column\", sum(mix_effect) as mix, sum(rate_effect) as rate, max(difference) as difference, count(*) as segments
            from key_drivers(
                (select is_after, minutes > 5 as is_long, daypart, is_after and minutes > 8 as only_after, nullif(daypart, 'y') as part from {ROWS}),
                outcome => 'is_long', versus => 'is_after')
            group by \"column\")
         cross join (select avg(cast(minutes > 5 as double)) filter (where is_after) - avg(cast(minutes > 5 as double)) filter (where not is_after) as expected from {ROWS})"
    );
    assert_eq!(one(&sql).await, "true true 3 8");
}

#[tokio::test]
async fn names_of_the_input_do_not_collide_with_the_querys() {
    let sql = format!(
        "select count(*), max(difference) > 0.7 from key_drivers((select is_after as in_a, minutes as outcome, daypart as \"column\", daypart as pair from {ROWS}), 'outcome')"
    );
    assert_eq!(one(&sql).await, "6 true");
}

#[tokio::test]
async fn a_group_without_rows_explains_nothing() {
    let sql = format!(
        "select count(*), count(contribution), count(p_value) from key_drivers((select * from {ROWS} where is_after), 'minutes')"
    );
    assert_eq!(one(&sql).await, "3 0 0");
}

#[tokio::test]
async fn wrong_columns_are_refused_while_planning() {
    let input = "(select true as a, 1 as y, 'x' as s)";
    for (call, expected) in [
        (
            format!("key_drivers({input})"),
            "key_drivers: argument 'outcome' is missing, write outcome => 'column'",
        ),
        (
            format!("key_drivers({input}, 'nothing')"),
            "key_drivers: the input has no column 'nothing', which outcome names",
        ),
        (
            format!("key_drivers({input}, 's')"),
            "key_drivers: column 's', the outcome, must be numeric or boolean, got Utf8",
        ),
        (
            format!("key_drivers({input}, 'y', 's')"),
            "key_drivers: column 's', versus, must be a boolean other than the outcome, got Utf8",
        ),
        (
            format!("key_drivers({input}, 'a')"),
            "key_drivers: the input has no boolean column that tells the two groups apart",
        ),
        (
            format!("key_drivers({input}, 'y', segments => 'y')"),
            "key_drivers: column 'y' cannot be a segment, it is the outcome or versus",
        ),
        (
            "key_drivers((select true as a, 1 as y), 'y')".to_owned(),
            "key_drivers: the input has no segment column",
        ),
        (
            "key_drivers((select true as a, false as b, 1 as y), 'y')".to_owned(),
            "key_drivers: argument 'versus' is missing, the boolean columns are 'a', 'b'",
        ),
    ] {
        assert_refused(&format!("select * from {call}"), expected).await;
    }
}
