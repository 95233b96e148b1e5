//! `als_fold_in(model, track_id, plays)`: a listener's factors from their plays, without training.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, Float64Array, ListArray, UInt32Array},
    datatypes::{DataType, Field, FieldRef, Float64Type, UInt32Type},
};
use datafusion::{
    common::{Result, ScalarValue, internal_err, plan_err},
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, Documentation, Expr, Signature,
        function::{AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs},
        utils::format_state_name,
    },
    physical_expr::{PhysicalExpr, expressions::Literal},
};
use datafusion_macros::user_doc;

use crate::{
    als_call::{Argument, check, coerced, list_of},
    arguments::ModelCall,
    models::{Als, Model, ModelKind, ModelSource},
    pearson::refuse_distinct,
};

const ARGUMENTS: [(&str, Argument); 3] = [
    ("model", Argument::Literal),
    ("track_id", Argument::Text),
    ("plays", Argument::Number),
];

/// The aggregate function `als_fold_in`.
pub(crate) fn als_fold_in(models: &Arc<ModelSource>) -> AggregateUDF {
    let names = ARGUMENTS.map(|(name, _)| name);
    AggregateUDF::from(AlsFoldIn {
        call: ModelCall::new("als_fold_in", models, &names),
    })
}

#[user_doc(
    doc_section(label = "Machine Learning Functions"),
    description = "A listener's factors from their plays, by a model of type 'als': the exact solution of the listener's own \
equation, so that fresh plays count without training. A list of the model's factors, for als_score. Plays of one track add \
up; tracks that the model does not know are left out, as are rows with a null, with plays of 0 or less or not finite. Null \
where nothing is left, or the model is not trained yet. Works with GROUP BY and FILTER.",
    syntax_example = "als_fold_in(model, track_id, plays)",
    sql_example = r"```sql
> select user_id, als_fold_in('taste', track_id, 1) as factors
  from silver.plays where not is_skipped group by user_id;
```",
    argument(
        name = "model",
        description = "Name of a model of type 'als', a literal; 'name@version' for a version of it."
    ),
    argument(
        name = "track_id",
        description = "The track, as the model's item column names it."
    ),
    argument(
        name = "plays",
        description = "How often it was played, numeric, in the unit of the model's plays."
    )
)]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct AlsFoldIn {
    call: ModelCall,
}

impl AlsFoldIn {
    /// The model that a literal names, of type `als`; `None` for `NULL`.
    fn model(&self, literal: &ScalarValue) -> Result<Option<Arc<Model>>> {
        let model = self
            .call
            .model_of(&ColumnarValue::Scalar(literal.clone()))?;
        if let Some(model) = &model {
            self.call.als(model)?;
        }
        Ok(model)
    }

    fn no_literal<T>(&self) -> Result<T> {
        plan_err!(
            "{}: argument 'model' must be a literal text, such as 'taste'",
            self.call.function
        )
    }

    /// The same call with the version of its model written out.
    fn pinned(&self, argument: &Expr) -> Result<Option<Expr>> {
        match argument {
            Expr::Literal(value, _) => {
                let model = self.model(value)?;
                let pinned = model.map(|model| ScalarValue::Utf8(Some(model.pinned_name())));
                Ok(pinned.map(|name| Expr::Literal(name, None)))
            }
            argument if argument.any_column_refs() => self.no_literal(),
            // A parameter, or something that is folded later: read where the accumulator is made.
            _ => Ok(None),
        }
    }
}

impl AggregateUDFImpl for AlsFoldIn {
    fn name(&self) -> &str {
        self.call.function
    }

    fn signature(&self) -> &Signature {
        self.call.signature()
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(coerced(&ARGUMENTS, given))
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(list_of(DataType::Float64))
    }

    fn return_field(&self, given: &[FieldRef]) -> Result<FieldRef> {
        let types = given.iter().map(|field| field.data_type());
        check(self.name(), &ARGUMENTS, ARGUMENTS.len(), types)?;
        let factors = list_of(DataType::Float64);
        Ok(Arc::new(Field::new(self.name(), factors, true)))
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        refuse_distinct(self.name(), arguments.is_distinct)?;
        let literal = |argument: &Arc<dyn PhysicalExpr>| {
            let literal = argument.downcast_ref::<Literal>()?;
            Some(literal.value().clone())
        };
        let Some(name) = arguments.exprs.first().and_then(literal) else {
            return self.no_literal();
        };
        Ok(Box::new(Listener {
            model: self.model(&name)?,
            plays: BTreeMap::new(),
        }))
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field = |part: &str, element| {
            let name = format_state_name(arguments.name, part);
            Arc::new(Field::new(name, list_of(element), true))
        };
        Ok(vec![
            field("items", DataType::UInt32),
            field("plays", DataType::Float64),
        ])
    }

    /// Pins the version of the model, and refuses a wrong one while planning.
    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        let function = self.clone();
        Some(Box::new(move |mut call, _| {
            refuse_distinct(function.call.function, call.params.distinct)?;
            if let Some(argument) = call.params.args.first_mut()
                && let Some(pinned) = function.pinned(argument)?
            {
                *argument = pinned;
            }
            Ok(Expr::AggregateFunction(call))
        }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// The plays of one listener, by the model's items.
#[derive(Debug)]
struct Listener {
    model: Option<Arc<Model>>,
    plays: BTreeMap<u32, f64>,
}

impl Listener {
    fn als(&self) -> Option<&Als> {
        match self.model.as_deref()?.kind {
            ModelKind::Als(ref als) => Some(als),
            _ => None,
        }
    }

    fn add(&mut self, items: impl Iterator<Item = (Option<u32>, Option<f64>)>) {
        for (item, plays) in items {
            if let (Some(item), Some(plays)) = (item, plays)
                && plays > 0.0
                && plays.is_finite()
            {
                *self.plays.entry(item).or_default() += plays;
            }
        }
    }

    fn factors(&self) -> Option<Vec<f64>> {
        let als = self.als().filter(|_| !self.plays.is_empty())?;
        let own = als.weighted(self.plays.iter().map(|(item, plays)| (*item, *plays)));
        Some(als.fold_in(&own)?.factors())
    }
}

impl Accumulator for Listener {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [_, tracks, plays] = values else {
            return internal_err!("als_fold_in: {} columns", values.len());
        };
        let Some(als) = self.als() else {
            return Ok(());
        };
        let tracks = tracks.as_string::<i32>().iter();
        let items: Vec<Option<u32>> = tracks.map(|track| als.item(track?)).collect();
        let plays = plays.as_primitive::<Float64Type>().iter();
        self.add(items.into_iter().zip(plays));
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [items, plays] = states else {
            return internal_err!("als_fold_in: {} columns of state", states.len());
        };
        let (items, plays) = (items.as_list::<i32>(), plays.as_list::<i32>());
        for (items, plays) in items.iter().zip(plays.iter()) {
            if let (Some(items), Some(plays)) = (items, plays) {
                let items = items.as_primitive::<UInt32Type>().iter();
                self.add(items.zip(plays.as_primitive::<Float64Type>().iter()));
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let items = UInt32Array::from_iter_values(self.plays.keys().copied());
        let plays = Float64Array::from_iter_values(self.plays.values().copied());
        Ok(vec![list(Arc::new(items))?, list(Arc::new(plays))?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        match self.factors() {
            Some(factors) => list(Arc::new(Float64Array::from(factors))),
            None => ScalarValue::try_new_null(&list_of(DataType::Float64)),
        }
    }

    fn size(&self) -> usize {
        // An entry of a B-tree, which is two thirds full on average.
        size_of_val(self) + self.plays.len() * 24
    }
}

/// One list of these values.
fn list(values: ArrayRef) -> Result<ScalarValue> {
    let item = Field::new_list_field(values.data_type().clone(), true);
    let offsets = arrow::buffer::OffsetBuffer::from_lengths([values.len()]);
    let list = ListArray::try_new(item.into(), offsets, values, None)?;
    Ok(ScalarValue::List(Arc::new(list)))
}
