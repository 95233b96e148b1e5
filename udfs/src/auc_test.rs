//! `auc_test(label, score[, confidence])`: the area under the ROC curve with its standard error and interval.

use arrow::datatypes::{DataType, Field, Fields};
use datafusion::{
    common::{Result, ScalarValue},
    logical_expr::AggregateUDF,
};
use datafusion_macros::user_doc;
use statrs::distribution::{ContinuousCDF, Normal};

use crate::{
    auc::area,
    kernels::roc::Area,
    pair_aggregate::{Columns, Gathering, PairAggregate},
};

/// The aggregate function `auc_test`.
pub(crate) fn auc_test() -> AggregateUDF {
    AggregateUDF::from(PairAggregate::new(
        "auc_test",
        Columns::LabelAndNumber,
        &["label", "score", "confidence"],
        DataType::Struct(fields()),
        Gathering::Held(|labels, scores, confidence| answer(area(labels, scores), confidence)),
        || AucTest.doc(),
    ))
}

fn fields() -> Fields {
    let double = |name| Field::new(name, DataType::Float64, true);
    let count = |name| Field::new(name, DataType::Int64, true);
    Fields::from(vec![
        double("auc"),
        count("n_pos"),
        count("n_neg"),
        double("std_error"),
        double("ci_low"),
        double("ci_high"),
    ])
}

fn answer(area: Option<Area>, confidence: f64) -> Result<ScalarValue> {
    let fields = fields();
    let Some(area) = area else {
        return ScalarValue::try_new_null(&DataType::Struct(fields));
    };
    let deviations = Normal::standard().inverse_cdf(f64::midpoint(1.0, confidence));
    // `clamp` keeps a NaN.
    let end = |side: f64| {
        let std_error = area.std_error?;
        Some((area.area + side * deviations * std_error).clamp(0.0, 1.0))
    };
    let values = [
        ScalarValue::Float64(Some(area.area)),
        ScalarValue::Int64(Some(area.positives.cast_signed())),
        ScalarValue::Int64(Some(area.negatives.cast_signed())),
        ScalarValue::Float64(area.std_error),
        ScalarValue::Float64(end(-1.0)),
        ScalarValue::Float64(end(1.0)),
    ];
    let arrays = values
        .iter()
        .map(ScalarValue::to_array)
        .collect::<Result<_>>()?;
    let one = arrow::array::StructArray::new(fields, arrays, None);
    Ok(ScalarValue::Struct(std::sync::Arc::new(one)))
}

#[user_doc(
    doc_section(label = "Statistical Functions"),
    description = "The area under the ROC curve with its uncertainty: a struct of auc (0..1), n_pos and n_neg (rows), \
std_error (DeLong 1988) and the ends ci_low, ci_high of its normal confidence interval, cut at 0 and 1. Rows where a side \
is null are left out. Null without a positive or without a negative row; std_error and the interval are null with fewer \
than two of either; doubles are NaN if a score is NaN. The interval takes rows as independent, and is too sure where all \
positives are above all negatives, when std_error is 0. Works with GROUP BY, FILTER and as a window function; it holds its \
rows as auc does.",
    syntax_example = "auc_test(label, score[, confidence])",
    sql_example = r"```sql
> select t['auc'] as auc, t['n_pos'] as n_pos, round(t['ci_low'], 4) as ci_low
  from (select auc_test(label, score) as t
        from (values (0, 0.1), (0, 0.4), (1, 0.4), (1, 0.8)) as v(label, score));
0.875 2 0.5285
```",
    argument(
        name = "label",
        description = "Whether the row is positive: a boolean, or a number that is 0 or 1; any other is an error."
    ),
    argument(
        name = "score",
        description = "Numeric column, any unit; higher means more likely positive."
    ),
    argument(
        name = "confidence",
        description = "Coverage of the interval, a literal between 0 and 1; 0.95 if left out."
    )
)]
struct AucTest;
