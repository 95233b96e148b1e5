//! `brier(label, probability)`: the mean squared error of probabilities.

use arrow::datatypes::DataType;
use datafusion::logical_expr::AggregateUDF;
use datafusion_macros::user_doc;

use crate::pair_aggregate::{Columns, Gathering, PairAggregate};

/// The aggregate function `brier`.
pub(crate) fn brier() -> AggregateUDF {
    AggregateUDF::from(PairAggregate::new(
        "brier",
        Columns::LabelAndNumber,
        &["label", "probability"],
        DataType::Float64,
        Gathering::MeanLoss(|label, probability| (probability - label) * (probability - label)),
        || Brier.doc(),
    ))
}

#[user_doc(
    doc_section(label = "Statistical Functions"),
    description = "The Brier score, 0..1: the mean squared difference of the probability and what happened, 0 or 1 (Brier \
1950); saying 0.5 always gives 0.25. Rows where a side is null are left out. Null without rows, NaN if a probability is \
NaN, an error if one lies outside 0..1. Works with GROUP BY, FILTER and as a window function. Agrees with scikit-learn's \
brier_score_loss.",
    syntax_example = "brier(label, probability)",
    sql_example = r"```sql
> select round(brier(label, probability), 4) from (values (true, 0.8), (false, 0.4)) as t(label, probability);
0.1
```",
    argument(
        name = "label",
        description = "What happened: a boolean, or a number that is 0 or 1; any other is an error."
    ),
    argument(name = "probability", description = "Probability of true, 0..1.")
)]
struct Brier;
