//! `pearson(x, y)`: Pearson's correlation coefficient.

use arrow::datatypes::{DataType, FieldRef};
use datafusion::{
    common::{Result, plan_err},
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, GroupsAccumulator, Signature,
        Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
    },
};
use datafusion_macros::user_doc;

use crate::{
    arguments::is_numeric,
    pair_accumulators::{
        Answer, PairAccumulator, PairGroupsAccumulator, SlidingPairAccumulator, state_fields,
    },
};

/// The aggregate function `pearson`.
pub(crate) fn pearson() -> AggregateUDF {
    AggregateUDF::from(Pearson::new())
}

#[user_doc(
    doc_section(label = "Statistical Functions"),
    description = "Pearson's correlation coefficient of two numeric columns, -1..1 without a unit. Rows where a side is \
null are left out. Null for fewer than three rows or where a side is constant; NaN if a row has a NaN or an infinity. \
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
            signature: pair_signature(&["x", "y"]),
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

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        if arguments.len() != 2 {
            return plan_err!(
                "pearson: expected 2 arguments (x, y), got {}",
                arguments.len()
            );
        }
        doubles(self.name(), &["x", "y"], arguments)
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        refuse_distinct(self.name(), &arguments)?;
        Ok(Box::new(PairAccumulator::new(Answer::Correlation)))
    }

    fn create_sliding_accumulator(
        &self,
        arguments: AccumulatorArgs,
    ) -> Result<Box<dyn Accumulator>> {
        refuse_distinct(self.name(), &arguments)?;
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

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// A signature with these parameter names, whose types the function checks itself for a message of its own.
pub(crate) fn pair_signature(names: &[&str]) -> Signature {
    let mut signature = Signature::user_defined(Volatility::Immutable);
    signature.parameter_names = Some(names.iter().map(|name| (*name).to_owned()).collect());
    signature
}

/// Doubles for numeric arguments, an error that names the argument for others.
pub(crate) fn doubles(
    function: &str,
    names: &[&str],
    arguments: &[DataType],
) -> Result<Vec<DataType>> {
    for (name, given) in names.iter().zip(arguments) {
        if !is_numeric(given) {
            return plan_err!("{function}: argument '{name}' must be numeric, got {given}");
        }
    }
    Ok(vec![DataType::Float64; arguments.len()])
}

pub(crate) fn refuse_distinct(function: &str, arguments: &AccumulatorArgs) -> Result<()> {
    if arguments.is_distinct {
        return plan_err!(
            "{function}: DISTINCT is not supported, select distinct pairs in a subquery"
        );
    }
    Ok(())
}
