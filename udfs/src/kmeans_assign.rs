//! `kmeans_assign(model, features…)`: the cluster a row belongs to.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int32Array},
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

/// The scalar function `kmeans_assign`.
pub(crate) fn kmeans_assign(models: &Arc<ModelSource>) -> ScalarUDF {
    ScalarUDF::from(KMeansAssign {
        call: ModelCall::new("kmeans_assign", models, &["model", "features"]),
    })
}

#[user_doc(
    doc_section(label = "Machine Learning Functions"),
    description = "The cluster whose centroid is nearest to a row, counted from 0, by a k-means model: the row is \
standardised with the training means and scales and compared by Euclidean distance. Null where a feature is null, NaN or \
infinite. A wrong number of features, a missing one or one that is not numeric is refused while planning.",
    syntax_example = "kmeans_assign(model, feature_1, feature_2, ...)",
    alternative_syntax = "kmeans_assign(model, features_struct)",
    sql_example = r"```sql
> select kmeans_assign('modes', 0.9, 0.8);
1
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
struct KMeansAssign {
    call: ModelCall,
}

impl ScalarUDFImpl for KMeansAssign {
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
        internal_err!("kmeans_assign: planned by return_field_from_args")
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        if let Some(model) = self.call.planned_model(&arguments)? {
            self.call.kmeans(&model)?;
            self.call
                .check_features(&model, &arguments.arg_fields[1..])?;
        }
        Ok(Arc::new(Field::new(self.name(), DataType::Int32, true)))
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
            return Ok(ColumnarValue::Scalar(ScalarValue::Int32(None)));
        };
        let kmeans = self.call.kmeans(&model)?;
        let features = self
            .call
            .features(&model, &arguments.args[1..], arguments.number_rows)?;
        let nearest = nearest_centroids(kmeans, &features.slices());
        let clusters: ArrayRef = Arc::new(Int32Array::new(nearest.cluster.into(), features.usable));
        Ok(ColumnarValue::Array(clusters))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}
