//! `auc(label, score)`: the area under the ROC curve.

use arrow::datatypes::DataType;
use datafusion::{common::ScalarValue, logical_expr::AggregateUDF};
use datafusion_macros::user_doc;

use crate::{
    kernels::roc::{self, Area},
    pair_aggregate::{Columns, Gathering, PairAggregate},
};

/// The aggregate function `auc`.
pub(crate) fn auc() -> AggregateUDF {
    AggregateUDF::from(PairAggregate::new(
        "auc",
        Columns::LabelAndNumber,
        &["label", "score"],
        DataType::Float64,
        Gathering::Held(|labels, scores, _| {
            let area = area(labels, scores).map(|area| area.area);
            Ok(ScalarValue::Float64(area))
        }),
        || Auc.doc(),
    ))
}

/// The area of labels, 0 or 1, and scores; its numbers are NaN if a score is.
pub(crate) fn area(labels: &[f64], scores: &[f64]) -> Option<Area> {
    // Adding zero makes one zero of both, which are tied.
    let rows = labels.iter().zip(scores);
    let mut rows: Vec<(f64, bool)> = rows
        .map(|(label, score)| (score + 0.0, *label > 0.5))
        .collect();
    let has_nan = rows.iter().any(|(score, _)| score.is_nan());
    let area = roc::area(&mut rows)?;
    Some(if has_nan {
        Area {
            area: f64::NAN,
            std_error: area.std_error.map(|_| f64::NAN),
            ..area
        }
    } else {
        area
    })
}

#[user_doc(
    doc_section(label = "Statistical Functions"),
    description = "The area under the ROC curve, 0..1: the probability that a positive row has a higher score than a negative \
one, ties counting half; 0.5 is chance. Rows where a side is null are left out. Null without a positive or without a \
negative row; NaN if a score is NaN; infinities are the ends of the order. Works with GROUP BY, FILTER and as a window \
function. Exact, so it holds its rows while it runs: 16 bytes a row, and 16 more while it answers. Agrees with \
scikit-learn's roc_auc_score.",
    syntax_example = "auc(label, score)",
    sql_example = r"```sql
> select auc(label, score) from (values (false, 0.1), (false, 0.4), (true, 0.4), (true, 0.8)) as t(label, score);
0.875
```",
    argument(
        name = "label",
        description = "Whether the row is positive: a boolean, or a number that is 0 or 1; any other is an error."
    ),
    argument(
        name = "score",
        description = "Numeric column, any unit; higher means more likely positive."
    )
)]
struct Auc;
