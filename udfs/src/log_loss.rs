//! `log_loss(label, probability)`: how surprised the probabilities were, on average.

use arrow::datatypes::DataType;
use datafusion::logical_expr::AggregateUDF;
use datafusion_macros::user_doc;

use crate::pair_aggregate::{Columns, Gathering, PairAggregate};

/// Probabilities count as at least this: one of 0 for what happened would outweigh every other row.
const LEAST_PROBABILITY: f64 = 1e-15;

/// The aggregate function `log_loss`.
pub(crate) fn log_loss() -> AggregateUDF {
    AggregateUDF::from(PairAggregate::new(
        "log_loss",
        Columns::LabelAndNumber,
        &["label", "probability"],
        DataType::Float64,
        Gathering::MeanLoss(surprise),
        || LogLoss.doc(),
    ))
}

/// -ln of the probability of what happened; NaN for NaN.
fn surprise(label: f64, probability: f64) -> f64 {
    let of_label = if label > 0.5 {
        probability
    } else {
        1.0 - probability
    };
    if of_label < LEAST_PROBABILITY {
        -LEAST_PROBABILITY.ln()
    } else {
        -of_label.ln()
    }
}

#[user_doc(
    doc_section(label = "Statistical Functions"),
    description = "The mean of -ln of the probability given to what happened, 0 or more, in nats; probabilities below 1e-15 \
count as that. Rows where a side is null are left out. Null without rows, NaN if a probability is NaN, an error if one lies \
outside 0..1. Works with GROUP BY, FILTER and as a window function. Agrees with scikit-learn's log_loss.",
    syntax_example = "log_loss(label, probability)",
    sql_example = r"```sql
> select round(log_loss(label, probability), 4) from (values (true, 0.8), (false, 0.4)) as t(label, probability);
0.367
```",
    argument(
        name = "label",
        description = "What happened: a boolean, or a number that is 0 or 1; any other is an error."
    ),
    argument(name = "probability", description = "Probability of true, 0..1.")
)]
struct LogLoss;
