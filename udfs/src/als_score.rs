//! `als_score(model, factors, track_id)`: how much a listener's factors speak for a track.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Float64Array},
    datatypes::{DataType, Field, FieldRef, Float64Type},
};
use datafusion::{
    common::{Result, ScalarValue, exec_err, internal_err},
    logical_expr::{
        ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
        ScalarUDFImpl, Signature,
        simplify::{ExprSimplifyResult, SimplifyContext},
    },
};
use datafusion_macros::user_doc;

use crate::{
    als_call::{Argument, check, coerced},
    arguments::{ModelCall, pin_version},
    kernels::als::score,
    models::{Als, ModelSource},
};

const ARGUMENTS: [(&str, Argument); 3] = [
    ("model", Argument::Literal),
    ("factors", Argument::Numbers),
    ("track_id", Argument::Text),
];

/// The scalar function `als_score`.
pub(crate) fn als_score(models: &Arc<ModelSource>) -> ScalarUDF {
    let names = ARGUMENTS.map(|(name, _)| name);
    ScalarUDF::from(AlsScore {
        call: ModelCall::new("als_score", models, &names),
    })
}

#[user_doc(
    doc_section(label = "Machine Learning Functions"),
    description = "How much a listener's factors speak for a track, by a model of type 'als': near 0 for one of no interest, \
near 1 for one that the listener plays or would, without strict bounds. Good for ranking, no probability. Null where the \
factors or the track are null, the model does not know the track, or it is not trained yet. Factors of another length than \
the model's are an error.",
    syntax_example = "als_score(model, factors, track_id)",
    sql_example = r"```sql
> with listener as (
      select als_fold_in('taste', track_id, plays) as factors from (values ('a track id', 3)) as t(track_id, plays)
  )
  select tracks.track_id, als_score('taste', listener.factors, tracks.track_id) as score
  from silver.tracks cross join listener
  order by score desc nulls last limit 20;
```",
    argument(
        name = "model",
        description = "Name of a model of type 'als', a literal; 'name@version' for a version of it."
    ),
    argument(
        name = "factors",
        description = "The listener's factors [n_factors], as als_fold_in of the same model and version gives them."
    ),
    argument(
        name = "track_id",
        description = "The track, as the model's item column names it."
    )
)]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct AlsScore {
    call: ModelCall,
}

impl ScalarUDFImpl for AlsScore {
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
        internal_err!("als_score: planned by return_field_from_args")
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        let given = arguments.arg_fields.iter().map(|field| field.data_type());
        check(self.name(), &ARGUMENTS, ARGUMENTS.len(), given)?;
        if let Some(model) = self.call.planned_model(&arguments)? {
            self.call.als(&model)?;
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
        let [model, factors, tracks] = arguments.args.as_slice() else {
            return internal_err!("als_score: called with {} arguments", arguments.args.len());
        };
        let null = || Ok(ColumnarValue::Scalar(ScalarValue::Float64(None)));
        let Some(model) = self.call.model_of(model)? else {
            return null();
        };
        let Some(als) = self.call.als(&model)? else {
            return null();
        };
        let factors = factors.to_array(arguments.number_rows)?;
        let tracks = tracks.to_array(arguments.number_rows)?;
        Ok(ColumnarValue::Array(Arc::new(scores(
            als, &factors, &tracks,
        )?)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn scores(als: &Als, factors: &ArrayRef, tracks: &ArrayRef) -> Result<Float64Array> {
    let factors = factors.as_list::<i32>();
    let all = factors.values().as_primitive::<Float64Type>();
    let offsets = factors.value_offsets();
    let wanted = als.factors.factors();
    let score_of = |(row, track): (usize, Option<&str>)| -> Result<Option<f64>> {
        let Some(item) = track.and_then(|track| als.item(track)) else {
            return Ok(None);
        };
        if factors.is_null(row) {
            return Ok(None);
        }
        let (from, until) = (offset(offsets[row]), offset(offsets[row + 1]));
        if until - from != wanted {
            let given = until - from;
            return exec_err!(
                "als_score: {given} factors do not fit a model of {wanted}, take als_fold_in of the same model and version"
            );
        }
        let own = all.slice(from, wanted);
        let is_known = own.null_count() == 0;
        Ok(is_known.then(|| score(&als.factors, item as usize, own.values())))
    };
    let tracks = tracks.as_string::<i32>();
    tracks.iter().enumerate().map(score_of).collect()
}

/// An offset of an Arrow list, which is never negative.
pub(crate) fn offset(value: i32) -> usize {
    usize::try_from(value).unwrap_or(0)
}
