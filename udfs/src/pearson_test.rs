//! `pearson_test(x, y[, confidence])`: Pearson's correlation with its p-value and confidence interval.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::{
    common::Result,
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Expr, GroupsAccumulator,
        Signature,
        function::{AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs},
    },
};
use datafusion_macros::user_doc;

use crate::{
    confidence::{check_confidence, confidence},
    numbers::{check_numbers, coerce_numbers, named_signature},
    pair_accumulators::{
        Answer, PairAccumulator, PairGroupsAccumulator, SlidingPairAccumulator, state_fields,
    },
    pearson::refuse_distinct,
};

const NAMES: [&str; 3] = ["x", "y", "confidence"];

/// The aggregate function `pearson_test`.
pub(crate) fn pearson_test() -> AggregateUDF {
    AggregateUDF::from(PearsonTest::new())
}

#[user_doc(
    doc_section(label = "Statistical Functions"),
    description = "Pearson's correlation of two numeric columns with its two-sided test: a struct of r (-1..1), n (rows), \
t_stat, df (n - 2), p_value (0..1) and the ends ci_low, ci_high of the confidence interval of r (Fisher's z; -1..1 for \
three rows). Rows where a side is null are left out. Null for fewer than three rows, where a side is constant, or where \
deviations are beyond about 1e-154 to 1e154; all doubles are NaN if a row has a NaN or an infinity. The p-value and the interval take rows as independent: for plays, \
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
            signature: named_signature(&NAMES),
        }
    }

    fn answer(&self, arguments: &AccumulatorArgs) -> Result<Answer> {
        refuse_distinct(self.name(), arguments.is_distinct)?;
        Ok(Answer::Test {
            confidence: confidence(self.name(), arguments.exprs)?,
        })
    }
}

impl AggregateUDFImpl for PearsonTest {
    fn name(&self) -> &str {
        "pearson_test"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(coerce_numbers(given))
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(Answer::test_fields()))
    }

    fn return_field(&self, given: &[FieldRef]) -> Result<FieldRef> {
        check_numbers(self.name(), &NAMES, 2, given)?;
        let fields = Answer::test_fields();
        Ok(Arc::new(Field::new_struct(self.name(), fields, true)))
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

    /// Simplifies nothing: this is where planning shows a call's literals.
    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        Some(Box::new(|call, _| {
            refuse_distinct("pearson_test", call.params.distinct)?;
            check_confidence("pearson_test", &call.params.args)?;
            Ok(Expr::AggregateFunction(call))
        }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}
