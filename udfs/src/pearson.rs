//! `pearson(x, y)`: Pearson's correlation coefficient.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::{
    common::{Result, plan_err},
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Expr, GroupsAccumulator,
        Signature,
        function::{AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs},
    },
};
use datafusion_macros::user_doc;

use crate::{
    numbers::{check_numbers, coerce_numbers, named_signature},
    pair_accumulators::{
        Answer, PairAccumulator, PairGroupsAccumulator, SlidingPairAccumulator, state_fields,
    },
};

const NAMES: [&str; 2] = ["x", "y"];

/// The aggregate function `pearson`.
pub(crate) fn pearson() -> AggregateUDF {
    AggregateUDF::from(Pearson::new())
}

#[user_doc(
    doc_section(label = "Statistical Functions"),
    description = "Pearson's correlation coefficient of two numeric columns, -1..1 without a unit. Rows where a side is \
null are left out. Null for fewer than three rows, where a side is constant, or where deviations are beyond about 1e-154 \
to 1e154, whose squares no double holds; NaN if a row has a NaN or an infinity. \
Works with GROUP BY, FILTER and as a window function. Stable for large means: no sums of squares are formed.",
    syntax_example = "pearson(x, y)",
    sql_example = r"```sql
> select round(pearson(x, y), 4) from (values (1, 2.0), (2, 1.0), (3, 4.0), (4, 3.0)) as t(x, y);
0.6
```",
    argument(name = "x", description = "Numeric column, any unit."),
    argument(name = "y", description = "Numeric column, any unit.")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct Pearson {
    signature: Signature,
}

impl Pearson {
    fn new() -> Self {
        Self {
            signature: named_signature(&NAMES),
        }
    }
}

impl AggregateUDFImpl for Pearson {
    fn name(&self) -> &str {
        "pearson"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(coerce_numbers(given))
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn return_field(&self, given: &[FieldRef]) -> Result<FieldRef> {
        check_numbers(self.name(), &NAMES, NAMES.len(), given)?;
        Ok(Arc::new(Field::new(self.name(), DataType::Float64, true)))
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        refuse_distinct(self.name(), arguments.is_distinct)?;
        Ok(Box::new(PairAccumulator::new(Answer::Correlation)))
    }

    fn create_sliding_accumulator(
        &self,
        arguments: AccumulatorArgs,
    ) -> Result<Box<dyn Accumulator>> {
        refuse_distinct(self.name(), arguments.is_distinct)?;
        Ok(Box::new(SlidingPairAccumulator::new(Answer::Correlation)))
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(state_fields(arguments.name))
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs) -> bool {
        !arguments.is_distinct
    }

    fn create_groups_accumulator(
        &self,
        _arguments: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(PairGroupsAccumulator::new(Answer::Correlation)))
    }

    /// Simplifies nothing: this is where planning shows a call's DISTINCT.
    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        Some(Box::new(|call, _| {
            refuse_distinct("pearson", call.params.distinct)?;
            Ok(Expr::AggregateFunction(call))
        }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

pub(crate) fn refuse_distinct(function: &str, is_distinct: bool) -> Result<()> {
    if is_distinct {
        return plan_err!(
            "{function}: DISTINCT is not supported, select distinct pairs in a subquery"
        );
    }
    Ok(())
}
