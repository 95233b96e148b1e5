//! `kmeans_distance(model, features…)`: how far a row is from its cluster's centroid.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Float64Array},
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{
    common::{Result, ScalarValue, internal_err},
    logical_expr::{
        ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
        ScalarUDFImpl, Signature,
        simplify::{ExprSimplifyResult, SimplifyContext},
    },
};
use datafusion_macros::user_doc;

use crate::{
    arguments::{ModelCall, pin_version},
    kernels::nearest::nearest_centroids,
    models::ModelSource,
};

/// The scalar function `kmeans_distance`.
pub(crate) fn kmeans_distance(models: &Arc<ModelSource>) -> ScalarUDF {
    ScalarUDF::from(KMeansDistance {
        call: ModelCall::new("kmeans_distance", models, &["model", "features"]),
    })
}

#[user_doc(
    doc_section(label = "Machine Learning Functions"),
    description = "The Euclidean distance of a row to the nearest centroid of a k-means model, 0 or more, in standard \
deviations of the training rows. Null where a feature is null, NaN or infinite. A wrong number of features, a missing one \
or one that is not numeric is refused while planning.",
    syntax_example = "kmeans_distance(model, feature_1, feature_2, ...)",
    alternative_syntax = "kmeans_distance(model, features_struct)",
    sql_example = r"```sql
> select round(kmeans_distance('modes', 0.9, 0.8), 3);
0.632
```",
    argument(
        name = "model",
        description = "Name of a k-means model, a literal; 'name@version' for a version of it."
    ),
    argument(
        name = "feature_n",
        description = "The features [n_features], numeric, in training order and units; or one struct with a field for each."
    )
)]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct KMeansDistance {
    call: ModelCall,
}

impl ScalarUDFImpl for KMeansDistance {
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
        internal_err!("kmeans_distance: planned by return_field_from_args")
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        if let Some(model) = self.call.planned_model(&arguments)? {
            self.call.kmeans(&model)?;
            self.call
                .check_features(&model, &arguments.arg_fields[1..])?;
        }
        Ok(Arc::new(Field::new(self.name(), DataType::Float64, true)))
    }

    fn simplify(
        &self,
        arguments: Vec<Expr>,
        _context: &SimplifyContext,
    ) -> Result<ExprSimplifyResult> {
        pin_version(self, &self.call, arguments)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(model) = self.call.model_of(&arguments.args[0])? else {
            return Ok(ColumnarValue::Scalar(ScalarValue::Float64(None)));
        };
        let kmeans = self.call.kmeans(&model)?;
        let features = self
            .call
            .features(&model, &arguments.args[1..], arguments.number_rows)?;
        let nearest = nearest_centroids(kmeans, &features.slices());
        let distances: ArrayRef =
            Arc::new(Float64Array::new(nearest.distance.into(), features.usable));
        Ok(ColumnarValue::Array(distances))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}
