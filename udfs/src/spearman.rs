//! `spearman(x, y)`: Spearman's rank correlation.

use arrow::datatypes::DataType;
use datafusion::{common::ScalarValue, logical_expr::AggregateUDF};
use datafusion_macros::user_doc;

use crate::{
    kernels::ranks,
    pair_aggregate::{Columns, Gathering, PairAggregate},
};

/// The aggregate function `spearman`.
pub(crate) fn spearman() -> AggregateUDF {
    AggregateUDF::from(PairAggregate::new(
        "spearman",
        Columns::Numbers,
        &["x", "y"],
        DataType::Float64,
        Gathering::Held(|x, y, _| {
            let has_nan = x.iter().chain(y).any(|value| value.is_nan());
            let coefficient = if has_nan && x.len() >= ranks::MINIMUM_PAIRS {
                Some(f64::NAN)
            } else {
                ranks::spearman(x, y)
            };
            Ok(ScalarValue::Float64(coefficient))
        }),
        || Spearman.doc(),
    ))
}

#[user_doc(
    doc_section(label = "Statistical Functions"),
    description = "Spearman's rank correlation of two numeric columns, -1..1 without a unit: how far one rises when the other \
does, in whatever shape. Equal values share their mean rank. Rows where a side is null are left out. Null for fewer than \
three rows or where a side is constant; NaN if a row has a NaN; infinities are the ends of the order. Works with GROUP BY, \
FILTER and as a window function. Exact, so it holds its rows while it runs: 16 bytes a row, and 50 more while it answers.",
    syntax_example = "spearman(x, y)",
    sql_example = r"```sql
> select round(spearman(x, y), 4) from (values (1, 2.0), (2, 1.0), (3, 400.0), (4, 3.0)) as t(x, y);
0.6
```",
    argument(name = "x", description = "Numeric column, any unit."),
    argument(name = "y", description = "Numeric column, any unit.")
)]
struct Spearman;
