//! Aggregates of two columns: what `spearman`, `auc`, `auc_test`, `log_loss` and `brier` share. Each brings how its
//! arguments are read and what it answers; a pair with a null side is left out.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, AsArray, Float64Array},
    datatypes::{DataType, Field, FieldRef, Float64Type},
};
use datafusion::{
    common::{Result, ScalarValue, internal_err},
    logical_expr::{
        Accumulator, AggregateUDFImpl, Documentation, Expr, GroupsAccumulator, Signature,
        function::{AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs},
    },
};

use crate::{
    confidence::{check_confidence, confidence},
    held_pairs::{self, HeldPairs, Reading},
    labels::{check_label, coerce_label, labels},
    mean_loss::Loss,
    numbers::{check_numbers, coerce_numbers, named_signature},
    pair_accumulators,
    pearson::refuse_distinct,
};

/// Which two columns it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Columns {
    /// Two columns of numbers.
    Numbers,
    /// A label of two classes and a number.
    LabelAndNumber,
}

/// How the rows are gathered.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Gathering {
    /// All of them; the answer sees both columns and the confidence.
    Held(fn(&[f64], &[f64], f64) -> Result<ScalarValue>),
    /// The mean of what each loses.
    MeanLoss(fn(f64, f64) -> f64),
}

/// An aggregate function of two columns.
#[derive(Debug, Clone)]
pub(crate) struct PairAggregate {
    pub(crate) name: &'static str,
    pub(crate) columns: Columns,
    /// The parameters' names: two, and `confidence` if there is one.
    pub(crate) parameters: &'static [&'static str],
    pub(crate) returns: DataType,
    pub(crate) gathering: Gathering,
    pub(crate) documentation: fn() -> Option<&'static Documentation>,
    signature: Signature,
}

impl PartialEq for PairAggregate {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for PairAggregate {}

impl Hash for PairAggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl PairAggregate {
    pub(crate) fn new(
        name: &'static str,
        columns: Columns,
        parameters: &'static [&'static str],
        returns: DataType,
        gathering: Gathering,
        documentation: fn() -> Option<&'static Documentation>,
    ) -> Self {
        Self {
            name,
            columns,
            parameters,
            returns,
            gathering,
            documentation,
            signature: named_signature(parameters),
        }
    }

    fn reading(&self) -> Reading {
        match self.columns {
            Columns::Numbers => |function, values| {
                if let [x, y, ..] = values {
                    Ok([doubles(x), doubles(y)])
                } else {
                    internal_err!("{function}: pairs have two sides")
                }
            },
            Columns::LabelAndNumber => |function, values| {
                if let [label, number, ..] = values {
                    Ok([labels(function, label)?, doubles(number)])
                } else {
                    internal_err!("{function}: pairs have two sides")
                }
            },
        }
    }

    fn loss(&self, of_row: fn(f64, f64) -> f64) -> Loss {
        Loss {
            function: self.name,
            reading: self.reading(),
            of_row,
        }
    }

    fn held(
        &self,
        answer: fn(&[f64], &[f64], f64) -> Result<ScalarValue>,
        arguments: &AccumulatorArgs,
    ) -> Result<Box<dyn Accumulator>> {
        let confidence = confidence(self.name, arguments.exprs)?;
        Ok(Box::new(HeldPairs {
            function: self.name,
            reading: self.reading(),
            answer: Box::new(move |x, y| answer(x, y, confidence)),
            x: vec![],
            y: vec![],
            left: 0,
        }))
    }
}

fn doubles(values: &ArrayRef) -> Float64Array {
    values.as_primitive::<Float64Type>().clone()
}

impl AggregateUDFImpl for PairAggregate {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let mut coerced = coerce_numbers(given);
        if let (Columns::LabelAndNumber, [label, ..]) = (self.columns, coerced.as_mut_slice()) {
            *label = coerce_label(label);
        }
        Ok(coerced)
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    fn return_field(&self, given: &[FieldRef]) -> Result<FieldRef> {
        let mut numbers = given.to_vec();
        if let (Columns::LabelAndNumber, [label, ..]) = (self.columns, numbers.as_mut_slice()) {
            check_label(self.name, label)?;
            *label = Arc::new(Field::new("label", DataType::Float64, true));
        }
        check_numbers(self.name, self.parameters, 2, &numbers)?;
        Ok(Arc::new(Field::new(self.name, self.returns.clone(), true)))
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        refuse_distinct(self.name, arguments.is_distinct)?;
        match self.gathering {
            Gathering::Held(answer) => self.held(answer, &arguments),
            Gathering::MeanLoss(of_row) => Ok(self.loss(of_row).accumulator()),
        }
    }

    fn create_sliding_accumulator(
        &self,
        arguments: AccumulatorArgs,
    ) -> Result<Box<dyn Accumulator>> {
        refuse_distinct(self.name, arguments.is_distinct)?;
        match self.gathering {
            Gathering::Held(answer) => self.held(answer, &arguments),
            Gathering::MeanLoss(of_row) => Ok(self.loss(of_row).sliding_accumulator()),
        }
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(match self.gathering {
            Gathering::Held(_) => held_pairs::state_fields(arguments.name),
            Gathering::MeanLoss(_) => pair_accumulators::state_fields(arguments.name),
        })
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs) -> bool {
        matches!(self.gathering, Gathering::MeanLoss(_)) && !arguments.is_distinct
    }

    fn create_groups_accumulator(
        &self,
        _arguments: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        match self.gathering {
            Gathering::MeanLoss(of_row) => Ok(self.loss(of_row).groups_accumulator()),
            Gathering::Held(_) => internal_err!("{}: holds each group on its own", self.name),
        }
    }

    /// Simplifies nothing: this is where planning shows a call's literals.
    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        let name = self.name;
        Some(Box::new(move |call, _| {
            refuse_distinct(name, call.params.distinct)?;
            check_confidence(name, &call.params.args)?;
            Ok(Expr::AggregateFunction(call))
        }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        (self.documentation)()
    }
}
