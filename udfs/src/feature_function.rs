//! A function of a model and one row's features, and of nothing else: what `kmeans_assign`, `kmeans_distance` and
//! `ml_predict` share. Each brings the family of models it is for and what it computes.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::{
    array::ArrayRef,
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{
    common::{Result, ScalarValue, internal_err},
    logical_expr::{
        ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl,
        Signature,
        simplify::{ExprSimplifyResult, SimplifyContext},
    },
};

use crate::{
    arguments::{Features, ModelCall, pin_version},
    models::Model,
};

/// The function `call` of models of the family `F`.
#[derive(Debug, Clone)]
pub(crate) struct FeatureFunction<F> {
    pub(crate) call: ModelCall,
    /// The parameters of a model of this family, `None` if it is not trained yet; refuses another family.
    pub(crate) family: for<'a> fn(&ModelCall, &'a Model) -> Result<Option<&'a F>>,
    /// The type of the answer; without a model if its name is null.
    pub(crate) returns: fn(Option<&Model>) -> DataType,
    /// The answer for each row; null where the features are not usable.
    pub(crate) answer: fn(&F, &Features) -> ArrayRef,
    pub(crate) documentation: fn() -> Option<&'static Documentation>,
}

impl<F> PartialEq for FeatureFunction<F> {
    fn eq(&self, other: &Self) -> bool {
        self.call == other.call
    }
}

impl<F> Eq for FeatureFunction<F> {}

impl<F> Hash for FeatureFunction<F> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.call.hash(state);
    }
}

impl<F: std::fmt::Debug + Clone + Send + Sync + 'static> ScalarUDFImpl for FeatureFunction<F> {
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
        internal_err!("{}: planned by return_field_from_args", self.name())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        let model = self.call.planned_model(&arguments)?;
        if let Some(model) = &model {
            (self.family)(&self.call, model)?;
            self.call
                .check_features(model, &arguments.arg_fields[1..])?;
        }
        Ok(Arc::new(Field::new(
            self.name(),
            (self.returns)(model.as_deref()),
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
        let returns = arguments.return_field.data_type();
        let null = || ScalarValue::try_new_null(returns).map(ColumnarValue::Scalar);
        let Some(model) = self.call.model_of(&arguments.args[0])? else {
            return null();
        };
        let Some(family) = (self.family)(&self.call, &model)? else {
            return null();
        };
        let features = self
            .call
            .features(&model, &arguments.args[1..], arguments.number_rows)?;
        Ok(ColumnarValue::Array((self.answer)(family, &features)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        (self.documentation)()
    }
}
