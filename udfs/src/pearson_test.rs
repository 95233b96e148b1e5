//! `pearson_test(x, y[, confidence])`: Pearson's correlation with its p-value and confidence interval.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::{
    common::{Result, ScalarValue, plan_err},
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, GroupsAccumulator, Signature,
        function::{AccumulatorArgs, StateFieldsArgs},
    },
    physical_expr::{PhysicalExpr, expressions::Literal},
};
use datafusion_macros::user_doc;

use crate::{
    pair_accumulators::{
        Answer, PairAccumulator, PairGroupsAccumulator, SlidingPairAccumulator, state_fields,
    },
    pearson::{doubles, pair_signature, refuse_distinct},
};

const NAMES: [&str; 3] = ["x", "y", "confidence"];
const DEFAULT_CONFIDENCE: f64 = 0.95;

/// The aggregate function `pearson_test`.
pub(crate) fn pearson_test() -> AggregateUDF {
    AggregateUDF::from(PearsonTest::new())
}

#[user_doc(
    doc_section(label = "Statistical Functions"),
    description = "Pearson's correlation of two numeric columns with its two-sided test: a struct of r (-1..1), n (rows), \
t_stat, df (n - 2), p_value (0..1) and the ends ci_low, ci_high of the confidence interval of r (Fisher's z; -1..1 for \
three rows). Rows where a side is null are left out. Null for fewer than three rows or where a side is constant; all \
doubles are NaN if a row has a NaN or an infinity. The p-value and the interval take rows as independent: for plays, \
which come in sessions, they are too sure; aggregate by session first. Agrees with scipy.stats.pearsonr.",
    syntax_example = "pearson_test(x, y[, confidence])",
    sql_example = r"```sql
> select round(t['r'], 4) as r, t['n'] as n, round(t['p_value'], 4) as p_value
  from (select pearson_test(x, y) as t from (values (1, 2.0), (2, 1.0), (3, 4.0), (4, 3.0)) as v(x, y));
0.6 4 0.4
```",
    argument(name = "x", description = "Numeric column, any unit."),
    argument(name = "y", description = "Numeric column, any unit."),
    argument(
        name = "confidence",
        description = "Coverage of the interval, a literal between 0 and 1; 0.95 if left out."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct PearsonTest {
    signature: Signature,
}

impl PearsonTest {
    fn new() -> Self {
        Self {
            signature: pair_signature(&NAMES),
        }
    }

    fn answer(&self, arguments: &AccumulatorArgs) -> Result<Answer> {
        refuse_distinct(self.name(), arguments)?;
        let confidence = arguments
            .exprs
            .get(2)
            .map_or(Ok(DEFAULT_CONFIDENCE), confidence)?;
        Ok(Answer::Test { confidence })
    }
}

impl AggregateUDFImpl for PearsonTest {
    fn name(&self) -> &str {
        "pearson_test"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        match arguments.len() {
            2 | 3 => doubles(self.name(), &NAMES, arguments),
            given => plan_err!(
                "pearson_test: expected 2 or 3 arguments (x, y[, confidence]), got {given}"
            ),
        }
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(Answer::test_fields()))
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(PairAccumulator::new(self.answer(&arguments)?)))
    }

    fn create_sliding_accumulator(
        &self,
        arguments: AccumulatorArgs,
    ) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(SlidingPairAccumulator::new(
            self.answer(&arguments)?,
        )))
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(state_fields(arguments.name))
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs) -> bool {
        !arguments.is_distinct
    }

    fn create_groups_accumulator(
        &self,
        arguments: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(PairGroupsAccumulator::new(
            self.answer(&arguments)?,
        )))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn confidence(argument: &Arc<dyn PhysicalExpr>) -> Result<f64> {
    let Some(literal) = argument.downcast_ref::<Literal>() else {
        return plan_err!("pearson_test: argument 'confidence' must be a literal between 0 and 1");
    };
    match literal.value() {
        ScalarValue::Float64(None) => Ok(DEFAULT_CONFIDENCE),
        ScalarValue::Float64(Some(value)) if *value > 0.0 && *value < 1.0 => Ok(*value),
        value => plan_err!("pearson_test: confidence must lie between 0 and 1, got {value}"),
    }
}
