//! `shap_values(model, class, top_k, output, features…)`: a prediction divided over its features, as a list.
//!
//! The kernel of [`shap_explain`](crate::shap_explain), which most callers want instead.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{Array, ArrayRef, Float64Array, ListArray, StringArray, StructArray},
    buffer::OffsetBuffer,
    datatypes::{DataType, Field, FieldRef, Fields},
};
use datafusion::{
    common::{Result, ScalarValue, internal_err, plan_err},
    logical_expr::{
        ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
        ScalarUDFImpl, Signature,
        simplify::{ExprSimplifyResult, SimplifyContext},
    },
};
use datafusion_macros::user_doc;

use crate::{
    arguments::{Features, ModelCall, pin_version},
    kernels::{
        logistic::predicted_classes,
        shapley::{Explainer, MAX_ENUMERATED_FEATURES, Output},
    },
    models::{Logistic, Model, ModelSource},
    numbers::whole_number,
};

/// The fields of one explained feature, in the order in which `shap_explain` returns them.
pub(crate) static EXPLANATION_FIELDS: LazyLock<Fields> = LazyLock::new(|| {
    let text = |name| Field::new(name, DataType::Utf8, true);
    let double = |name| Field::new(name, DataType::Float64, true);
    Fields::from(vec![
        text("class"),
        text("feature"),
        double("value"),
        double("contribution"),
        double("contribution_pct"),
        double("baseline"),
        double("prediction"),
    ])
});

/// Arguments before the features: model, class, `top_k`, output.
const LEADING_ARGUMENTS: usize = 4;

/// The scalar function `shap_values`.
pub(crate) fn shap_values(models: &Arc<ModelSource>) -> ScalarUDF {
    ScalarUDF::from(ShapValues {
        call: ModelCall::new(
            "shap_values",
            models,
            &["model", "class", "top_k", "output", "features"],
        ),
    })
}

#[user_doc(
    doc_section(label = "Machine Learning Functions"),
    description = "Shapley values of a logistic model's prediction for a row against the training means: a list \
[n_features] (or [top_k]) of structs of class, feature, value, contribution, contribution_pct (signed share of the sum of \
all absolute contributions, -100..100), baseline and prediction, where baseline + the sum of all contributions = \
prediction. The relation function shap_explain gives the same as rows. Where a feature is null, NaN or infinite, \
contributions and prediction are null; where the model is not trained yet, the list is.",
    syntax_example = "shap_values(model, class, top_k, output, feature_1, feature_2, ...)",
    alternative_syntax = "shap_values(model, class, top_k, output, features_struct)",
    sql_example = r"```sql
> select track_id, shap_values('mood', 'happy', 1, 'probability', danceability, energy, key, loudness, mode, speechiness,
      acousticness, instrumentalness, liveness, valence, tempo, time_signature)[1]['feature'] as feature
  from silver.track_features limit 3;
```",
    argument(
        name = "model",
        description = "Name of a logistic model, a literal; 'name@version' for a version of it."
    ),
    argument(
        name = "class",
        description = "Label of the class explained, a literal; null for each row's predicted class."
    ),
    argument(
        name = "top_k",
        description = "How many of the largest absolute contributions to keep, from 1; null for all."
    ),
    argument(
        name = "output",
        description = "'margin' (log-odds; before the softmax if multinomial) or 'probability', a literal; null for 'margin'."
    ),
    argument(
        name = "feature_n",
        description = "The features [n_features], numeric, in training order and units; or one struct with a field for each."
    )
)]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ShapValues {
    call: ModelCall,
}

/// What a call asks for, once its literals are read.
pub(crate) struct Request {
    class: Option<usize>,
    top_k: usize,
    output: Output,
}

impl Request {
    /// Reads the literals of a call and refuses what the model cannot answer.
    pub(crate) fn read(
        call: &ModelCall,
        model: &Model,
        class: &ScalarValue,
        top_k: &ScalarValue,
        output: &ScalarValue,
    ) -> Result<Self> {
        let function = call.function;
        call.logistic(model)?;
        let features = model.features.len();
        let class = match call.text(class, "class")? {
            Some(class) => call.class_index(model, &class)?,
            None => None,
        };
        let output = match call.text(output, "output")?.as_deref() {
            None | Some("margin") => Output::Margin,
            Some("probability") if features > MAX_ENUMERATED_FEATURES => {
                return plan_err!(
                    "{function}: 'probability' goes over all subsets of at most {MAX_ENUMERATED_FEATURES} features and \
                     model '{}' has {features}, use 'margin'",
                    model.name
                );
            }
            Some("probability") => Output::Probability,
            Some(other) => {
                return plan_err!(
                    "{function}: unknown output '{other}', expected 'margin' or 'probability'"
                );
            }
        };
        Ok(Self {
            class,
            top_k: read_top_k(function, features, top_k)?,
            output,
        })
    }
}

fn read_top_k(function: &str, features: usize, top_k: &ScalarValue) -> Result<usize> {
    if top_k.is_null() {
        return Ok(features);
    }
    if let Some(k) = whole_number(top_k)?
        && k >= 1
    {
        return Ok(usize::try_from(k).map_or(features, |k| k.min(features)));
    }
    plan_err!("{function}: top_k must be a whole number from 1, got {top_k}")
}

impl ScalarUDFImpl for ShapValues {
    fn name(&self) -> &str {
        self.call.function
    }

    fn signature(&self) -> &Signature {
        self.call.signature()
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(self.call.coerce_types(given))
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        internal_err!("shap_values: planned by return_field_from_args")
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        if let Some(model) = self.call.planned_model(&arguments)? {
            let [_, Some(class), Some(top_k), Some(output), ..] = arguments.scalar_arguments else {
                return plan_err!(
                    "shap_values: arguments 'class', 'top_k' and 'output' must be literals"
                );
            };
            Request::read(&self.call, &model, class, top_k, output)?;
            self.call
                .check_features(&model, &arguments.arg_fields[LEADING_ARGUMENTS..])?;
        }
        Ok(Arc::new(Field::new(
            self.name(),
            DataType::List(list_item()),
            true,
        )))
    }

    fn simplify(
        &self,
        arguments: Vec<Expr>,
        _context: &SimplifyContext,
    ) -> Result<ExprSimplifyResult> {
        pin_version(self, &self.call, arguments)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [
            model,
            ColumnarValue::Scalar(class),
            ColumnarValue::Scalar(top_k),
            ColumnarValue::Scalar(output),
            given @ ..,
        ] = arguments.args.as_slice()
        else {
            return internal_err!(
                "shap_values: called with {} arguments or without literals",
                arguments.args.len()
            );
        };
        let null = || {
            let null = ScalarValue::try_new_null(arguments.return_field.data_type());
            null.map(ColumnarValue::Scalar)
        };
        let Some(model) = self.call.model_of(model)? else {
            return null();
        };
        let Some(logistic) = self.call.logistic(&model)? else {
            return null();
        };
        let request = Request::read(&self.call, &model, class, top_k, output)?;
        let features = self.call.features(&model, given, arguments.number_rows)?;
        Ok(ColumnarValue::Array(explain_batch(
            &model, logistic, &request, &features,
        )?))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn list_item() -> FieldRef {
    Arc::new(Field::new_list_field(
        DataType::Struct(EXPLANATION_FIELDS.clone()),
        true,
    ))
}

fn explain_batch(
    model: &Model,
    logistic: &Logistic,
    request: &Request,
    features: &Features,
) -> Result<ArrayRef> {
    let slices = features.slices();
    let rows = slices.first().map_or(0, |column| column.len());
    let classes = match request.class {
        Some(class) => vec![class; rows],
        None => predicted_classes(logistic, &slices),
    };
    let mut explainer = Explainer::new(logistic, request.output);
    let mut explanations = Explanations::with_capacity(rows * request.top_k);
    let mut values = vec![0.0; slices.len()];
    let mut contributions = vec![0.0; slices.len()];
    let mut order: Vec<usize> = (0..slices.len()).collect();
    for (row, class) in classes.into_iter().enumerate() {
        if !features.is_usable(row) {
            let class = request.class.map(|class| logistic.classes[class].as_str());
            explanations.push_unknown(class, &model.features, features, row, request.top_k);
            continue;
        }
        for (value, column) in values.iter_mut().zip(&slices) {
            *value = column[row];
        }
        let prediction = explainer.explain(class, &values, &mut contributions);
        let total: f64 = contributions.iter().map(|value| value.abs()).sum();
        sort_by_size(&mut order, &contributions);
        for &feature in order.iter().take(request.top_k) {
            let contribution = contributions[feature];
            explanations.push(&Explanation {
                class: Some(&logistic.classes[class]),
                feature: &model.features[feature],
                value: Some(values[feature]),
                contribution: Some(contribution),
                contribution_pct: Some(if total > 0.0 {
                    100.0 * contribution / total
                } else {
                    0.0
                }),
                baseline: Some(prediction.baseline),
                prediction: Some(prediction.prediction),
            });
        }
    }
    explanations.into_lists(rows, request.top_k)
}

/// Puts the features with the largest absolute contributions first; training order on a tie.
fn sort_by_size(features: &mut [usize], contributions: &[f64]) {
    let size = |feature: usize| contributions[feature].abs();
    features.sort_unstable_by(|&a, &b| size(b).total_cmp(&size(a)).then(a.cmp(&b)));
}

/// One element of the list: [`EXPLANATION_FIELDS`].
struct Explanation<'a> {
    class: Option<&'a str>,
    feature: &'a str,
    value: Option<f64>,
    contribution: Option<f64>,
    contribution_pct: Option<f64>,
    baseline: Option<f64>,
    prediction: Option<f64>,
}

/// The columns of [`EXPLANATION_FIELDS`] while they grow; the doubles are in the order of the fields.
struct Explanations<'a> {
    classes: Vec<Option<&'a str>>,
    features: Vec<&'a str>,
    doubles: [Vec<Option<f64>>; 5],
}

impl<'a> Explanations<'a> {
    fn with_capacity(rows: usize) -> Self {
        Self {
            classes: Vec::with_capacity(rows),
            features: Vec::with_capacity(rows),
            doubles: std::array::from_fn(|_| Vec::with_capacity(rows)),
        }
    }

    fn push(&mut self, explanation: &Explanation<'a>) {
        self.classes.push(explanation.class);
        self.features.push(explanation.feature);
        let doubles = [
            explanation.value,
            explanation.contribution,
            explanation.contribution_pct,
            explanation.baseline,
            explanation.prediction,
        ];
        for (column, value) in self.doubles.iter_mut().zip(doubles) {
            column.push(value);
        }
    }

    /// A row that cannot be predicted keeps its features, without contributions.
    fn push_unknown(
        &mut self,
        class: Option<&'a str>,
        names: &'a [String],
        features: &Features,
        row: usize,
        top_k: usize,
    ) {
        for (feature, column) in names.iter().zip(features.columns()).take(top_k) {
            self.push(&Explanation {
                class,
                feature,
                value: column.is_valid(row).then(|| column.value(row)),
                contribution: None,
                contribution_pct: None,
                baseline: None,
                prediction: None,
            });
        }
    }

    fn into_lists(self, rows: usize, per_row: usize) -> Result<ArrayRef> {
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(self.classes)),
            Arc::new(StringArray::from(self.features)),
        ];
        for column in self.doubles {
            columns.push(Arc::new(Float64Array::from(column)));
        }
        let entries = StructArray::try_new(EXPLANATION_FIELDS.clone(), columns, None)?;
        let offsets = OffsetBuffer::from_repeated_length(per_row, rows);
        Ok(Arc::new(ListArray::try_new(
            list_item(),
            offsets,
            Arc::new(entries),
            None,
        )?))
    }
}
