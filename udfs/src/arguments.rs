//! What the functions of a trained model share: reading the model's name, checking the features, fetching columns.
//!
//! `f('model'[, 'text' …], feature, …)` or `f('model'[, 'text' …], struct)`. The texts must be literals, so that a
//! wrong model, class or feature is refused while planning and a statement sees one version of the model: `simplify`
//! writes the version into the name.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, Float64Array, StructArray},
    buffer::NullBuffer,
    compute::cast,
    datatypes::{DataType, FieldRef, Fields, Float64Type},
};
use datafusion::{
    common::{DataFusionError, Result, ScalarValue, exec_err, internal_err, plan_err},
    logical_expr::{
        ColumnarValue, Expr, ReturnFieldArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
        expr::ScalarFunction, simplify::ExprSimplifyResult,
    },
};

use crate::{
    models::{KMeans, Model, ModelKind, ModelSource},
    numbers::{coerce_numbers, is_numeric, named_signature},
    predictions::{classes, is_number},
};

/// The part of a model function that is the same in all of them.
#[derive(Debug, Clone)]
pub(crate) struct ModelCall {
    pub(crate) function: &'static str,
    models: Arc<ModelSource>,
    signature: Signature,
    /// How many arguments may be literals rather than features.
    literals: usize,
}

// Two calls are the same function if they have the same name and look into the same source.
impl PartialEq for ModelCall {
    fn eq(&self, other: &Self) -> bool {
        self.function == other.function && Arc::ptr_eq(&self.models, &other.models)
    }
}

impl Eq for ModelCall {}

impl Hash for ModelCall {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.hash(state);
    }
}

impl ModelCall {
    /// A call with the names of its leading texts and, last, of its struct of features.
    pub(crate) fn new(function: &'static str, models: &Arc<ModelSource>, names: &[&str]) -> Self {
        let mut signature = named_signature(names);
        signature.volatility = Volatility::Stable;
        Self {
            function,
            models: Arc::clone(models),
            signature,
            literals: names.len().saturating_sub(1),
        }
    }

    pub(crate) fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Literals stay as they are, or they would be casts and no longer literals; features become doubles. What is no
    /// number is refused with its feature's name once the model is known.
    pub(crate) fn coerce_types(&self, given: &[DataType]) -> Vec<DataType> {
        let (literals, features) = given.split_at(self.literals.min(given.len()));
        [literals.to_vec(), coerce_numbers(features)].concat()
    }

    /// The model that the first argument names, or `None` for `NULL`.
    pub(crate) fn planned_model(&self, arguments: &ReturnFieldArgs) -> Result<Option<Arc<Model>>> {
        match self.literal(arguments, 0, "model")? {
            Some(name) => self.model(&name).map(Some),
            None => Ok(None),
        }
    }

    /// The text of a literal argument, or `None` for `NULL`.
    pub(crate) fn literal(
        &self,
        arguments: &ReturnFieldArgs,
        at: usize,
        name: &str,
    ) -> Result<Option<String>> {
        let Some(Some(value)) = arguments.scalar_arguments.get(at) else {
            return plan_err!(
                "{}: argument '{name}' must be a literal text, such as 'mood'",
                self.function
            );
        };
        self.text(value, name)
    }

    /// The model's name, and its version if it has one, while running; `None` for `NULL`.
    pub(crate) fn model_of(&self, argument: &ColumnarValue) -> Result<Option<Arc<Model>>> {
        match self.text_of(argument, "model")? {
            Some(name) => self.model(&name).map(Some),
            None => Ok(None),
        }
    }

    /// A literal argument while running; `None` for `NULL`.
    pub(crate) fn text_of(&self, argument: &ColumnarValue, name: &str) -> Result<Option<String>> {
        match argument {
            ColumnarValue::Scalar(value) => self.text(value, name),
            ColumnarValue::Array(_) => exec_err!(
                "{}: argument '{name}' must be a literal text",
                self.function
            ),
        }
    }

    /// The text of a literal, or `None` for `NULL`.
    pub(crate) fn text(&self, value: &ScalarValue, name: &str) -> Result<Option<String>> {
        match value.try_as_str() {
            Some(text) => Ok(text.map(str::to_owned)),
            None if value.is_null() => Ok(None),
            None => plan_err!(
                "{}: argument '{name}' must be a text, got {}",
                self.function,
                value.data_type()
            ),
        }
    }

    /// The model of that name, which may have a version.
    pub(crate) fn model(&self, name: &str) -> Result<Arc<Model>> {
        self.models.get(name).map_err(|error| match error {
            DataFusionError::Plan(message) => {
                DataFusionError::Plan(format!("{}: {message}", self.function))
            }
            other => other,
        })
    }

    /// The clusters of a model, `None` if it is not trained yet.
    pub(crate) fn kmeans<'a>(&self, model: &'a Model) -> Result<Option<&'a KMeans>> {
        match &model.kind {
            ModelKind::KMeans(kmeans) => Ok(Some(kmeans)),
            ModelKind::Untrained => Ok(None),
            ModelKind::Als(_) => self.other_family(model, "k-means"),
            ModelKind::Logistic(_) | ModelKind::Trees(_) => {
                plan_err!(
                    "{}: model '{}' is {}, use ml_predict",
                    self.function,
                    model.name,
                    model.kind.name()
                )
            }
        }
    }

    /// A model that predicts, `None` if it is not trained yet.
    pub(crate) fn predictor<'a>(&self, model: &'a Model) -> Result<Option<&'a Model>> {
        match &model.kind {
            ModelKind::Logistic(_) | ModelKind::Trees(_) => Ok(Some(model)),
            ModelKind::Untrained => Ok(None),
            ModelKind::KMeans(_) => {
                plan_err!(
                    "{}: model '{}' is k-means, use kmeans_assign",
                    self.function,
                    model.name
                )
            }
            ModelKind::Als(_) => {
                plan_err!(
                    "{}: model '{}' is {}, use als_score",
                    self.function,
                    model.name,
                    model.kind.name()
                )
            }
        }
    }

    fn other_family<T>(&self, model: &Model, wanted: &str) -> Result<T> {
        plan_err!(
            "{}: model '{}' is {}, expected a {wanted} one",
            self.function,
            model.name,
            model.kind.name()
        )
    }

    /// The index of a class of the model, `None` if the model is not trained yet.
    pub(crate) fn class_index(&self, model: &Model, class: &str) -> Result<Option<usize>> {
        if self.predictor(model)?.is_none() {
            return Ok(None);
        }
        if is_number(model) {
            return plan_err!(
                "{}: model '{}' predicts a number, it has no classes",
                self.function,
                model.name
            );
        }
        let classes = classes(model);
        if let Some(index) = classes.iter().position(|known| known == class) {
            return Ok(Some(index));
        }
        plan_err!(
            "{}: model '{}' has no class '{class}', expected one of {}",
            self.function,
            model.name,
            quoted(classes)
        )
    }

    /// Refuses features that are not the model's, by name where names are known.
    pub(crate) fn check_features(&self, model: &Model, features: &[FieldRef]) -> Result<()> {
        if let [only] = features
            && let DataType::Struct(fields) = only.data_type()
        {
            return self.check_named(model, fields);
        }
        if features.len() != model.features.len() {
            return plan_err!(
                "{}: model '{}' needs {} features, got {}; in order: {}",
                self.function,
                model.name,
                model.features.len(),
                features.len(),
                model.features.join(", ")
            );
        }
        let types = model
            .features
            .iter()
            .zip(features.iter().map(|field| field.data_type()));
        self.check_types(model, types)
    }

    /// Refuses a set of named fields that lacks a feature or has one that is not numeric; others are let be.
    pub(crate) fn check_named(&self, model: &Model, fields: &Fields) -> Result<()> {
        let missing: Vec<&str> = model
            .features
            .iter()
            .filter(|name| fields.find(name).is_none())
            .map(String::as_str)
            .collect();
        if !missing.is_empty() {
            return plan_err!(
                "{}: model '{}' misses features {}",
                self.function,
                model.name,
                quoted(&missing)
            );
        }
        let found = model
            .features
            .iter()
            .filter_map(|name| Some((name, fields.find(name)?.1.data_type())));
        self.check_types(model, found)
    }

    fn check_types<'a>(
        &self,
        model: &Model,
        types: impl Iterator<Item = (&'a String, &'a DataType)>,
    ) -> Result<()> {
        for (name, given) in types {
            if !is_numeric(given) {
                return plan_err!(
                    "{}: feature '{name}' of model '{}' must be numeric, got {given}",
                    self.function,
                    model.name
                );
            }
        }
        Ok(())
    }

    /// The features as doubles in training order.
    pub(crate) fn features(
        &self,
        model: &Model,
        given: &[ColumnarValue],
        rows: usize,
    ) -> Result<Features> {
        let arrays = given
            .iter()
            .map(|value| value.to_array(rows))
            .collect::<Result<Vec<_>>>()?;
        if let [only] = arrays.as_slice()
            && let Some(fields) = only.as_struct_opt()
        {
            return Features::of_struct(model, fields);
        }
        if arrays.len() != model.features.len() {
            return internal_err!(
                "{}: {} features reached the model",
                self.function,
                arrays.len()
            );
        }
        Ok(Features::of(
            arrays.iter().map(as_doubles).collect::<Result<_>>()?,
            None,
        ))
    }
}

/// Writes the current version into a literal model name; everything else stays as it is.
pub(crate) fn pin_version<F>(
    function: &F,
    call: &ModelCall,
    mut arguments: Vec<Expr>,
) -> Result<ExprSimplifyResult>
where
    F: ScalarUDFImpl + Clone + 'static,
{
    let pinned = match arguments.first() {
        Some(Expr::Literal(value, _)) => match call.text(value, "model")? {
            Some(name) if !name.contains('@') => call.model(&name)?.pinned_name(),
            _ => return Ok(ExprSimplifyResult::Original(arguments)),
        },
        _ => return Ok(ExprSimplifyResult::Original(arguments)),
    };
    arguments[0] = Expr::Literal(ScalarValue::Utf8(Some(pinned)), None);
    let function = Arc::new(ScalarUDF::from(function.clone()));
    Ok(ExprSimplifyResult::Simplified(Expr::ScalarFunction(
        ScalarFunction::new_udf(function, arguments),
    )))
}

/// The feature columns of a batch in training order.
#[derive(Debug)]
pub(crate) struct Features {
    columns: Vec<Float64Array>,
    /// Rows where there are features at all, known or not; `None` if all are.
    pub(crate) given: Option<NullBuffer>,
    /// Rows where every feature is known and finite; `None` if all are.
    pub(crate) usable: Option<NullBuffer>,
}

impl Features {
    fn of_struct(model: &Model, fields: &StructArray) -> Result<Self> {
        let columns = model.features.iter().map(|name| {
            let column = fields.column_by_name(name);
            column.map_or_else(
                || internal_err!("feature '{name}' went missing"),
                as_doubles,
            )
        });
        Ok(Self::of(columns.collect::<Result<_>>()?, fields.nulls()))
    }

    fn of(columns: Vec<Float64Array>, outer: Option<&NullBuffer>) -> Self {
        let mut usable = outer.cloned();
        for column in &columns {
            usable = NullBuffer::union(usable.as_ref(), column.nulls());
            if !column.values().iter().all(|value| value.is_finite()) {
                let finite: NullBuffer = column
                    .values()
                    .iter()
                    .map(|value| value.is_finite())
                    .collect();
                usable = NullBuffer::union(usable.as_ref(), Some(&finite));
            }
        }
        Self {
            columns,
            given: outer.cloned(),
            usable,
        }
    }

    /// The columns as slices; shape `[n_features][n_rows]`. Rows that are not usable hold arbitrary values.
    pub(crate) fn slices(&self) -> Vec<&[f64]> {
        self.columns
            .iter()
            .map(|column| column.values().as_ref())
            .collect()
    }

    pub(crate) fn columns(&self) -> &[Float64Array] {
        &self.columns
    }

    /// The columns with NaN where a value is null or not finite: what is missing to trees; shape `[n_features][n_rows]`.
    pub(crate) fn with_missing(&self) -> Vec<Vec<f64>> {
        let known =
            |value: Option<f64>| value.filter(|value| value.is_finite()).unwrap_or(f64::NAN);
        let columns = self.columns.iter();
        columns
            .map(|column| column.iter().map(known).collect())
            .collect()
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.columns.first().map_or(0, Array::len)
    }

    pub(crate) fn is_usable(&self, row: usize) -> bool {
        self.usable
            .as_ref()
            .is_none_or(|usable| usable.is_valid(row))
    }
}

fn as_doubles(array: &ArrayRef) -> Result<Float64Array> {
    Ok(cast(array, &DataType::Float64)?
        .as_primitive::<Float64Type>()
        .clone())
}

/// `'a', 'b'`
pub(crate) fn quoted<S: AsRef<str>>(names: &[S]) -> String {
    names
        .iter()
        .map(|name| format!("'{}'", name.as_ref()))
        .collect::<Vec<_>>()
        .join(", ")
}
