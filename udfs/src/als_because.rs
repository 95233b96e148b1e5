//! `als_because(model, track_ids, plays, track_id[, top_k])`: which plays the score of a track is owed to.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Float64Array, ListArray, NullBufferBuilder, StringArray,
        StructArray,
    },
    buffer::OffsetBuffer,
    datatypes::{DataType, Field, FieldRef, Fields, Float64Type},
};
use datafusion::{
    common::{Result, ScalarValue, exec_err, internal_err, plan_err},
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
    kernels::als::FoldIn,
    models::{Als, ModelSource},
    numbers::whole_number,
};

const ARGUMENTS: [(&str, Argument); 5] = [
    ("model", Argument::Literal),
    ("track_ids", Argument::Texts),
    ("plays", Argument::Numbers),
    ("track_id", Argument::Text),
    ("top_k", Argument::Literal),
];
const REQUIRED: usize = 4;

/// What an element of the list has.
static FIELDS: LazyLock<Fields> = LazyLock::new(|| {
    Fields::from(vec![
        Field::new("track_id", DataType::Utf8, true),
        Field::new("contribution", DataType::Float64, true),
        Field::new("contribution_pct", DataType::Float64, true),
    ])
});

/// The scalar function `als_because`.
pub(crate) fn als_because(models: &Arc<ModelSource>) -> ScalarUDF {
    let names = ARGUMENTS.map(|(name, _)| name);
    ScalarUDF::from(AlsBecause {
        call: ModelCall::new("als_because", models, &names),
    })
}

#[user_doc(
    doc_section(label = "Machine Learning Functions"),
    description = "Which of a listener's plays the score of a track is owed to, by a model of type 'als' (Hu, Koren and \
Volinsky 2008, equation 7): a list of structs with track_id, contribution and contribution_pct, the largest absolute \
contribution first. The contributions of all plays add up to the als_score of the factors that als_fold_in makes of the same \
plays; contribution_pct is the signed share in the sum of all absolute contributions, in per cent, whether or not top_k keeps \
them all. Plays of one track add up; what als_fold_in leaves out is left out here. Null where the track is null or not \
known to the model, no play is left, or the model is not trained yet.",
    syntax_example = "als_because(model, track_ids, plays, track_id[, top_k])",
    sql_example = r"```sql
> with listener as (
      select array_agg(track_id) as tracks, array_agg(plays) as counts
      from (select track_id, count(*) as plays from silver.plays group by track_id)
  )
  select als_because('taste', tracks, counts, 'a track id', 3) as because from listener;
```",
    argument(
        name = "model",
        description = "Name of a model of type 'als', a literal; 'name@version' for a version of it."
    ),
    argument(
        name = "track_ids",
        description = "The tracks that the listener played [n_tracks]."
    ),
    argument(
        name = "plays",
        description = "How often each was played [n_tracks], in the unit of the model's plays."
    ),
    argument(name = "track_id", description = "The track whose score is explained."),
    argument(
        name = "top_k",
        description = "How many of the largest absolute contributions to keep, a literal from 1; all if left out."
    )
)]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct AlsBecause {
    call: ModelCall,
}

impl ScalarUDFImpl for AlsBecause {
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
        internal_err!("als_because: planned by return_field_from_args")
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        let given = arguments.arg_fields.iter().map(|field| field.data_type());
        check(self.name(), &ARGUMENTS, REQUIRED, given)?;
        if let Some(model) = self.call.planned_model(&arguments)? {
            self.call.als(&model)?;
        }
        match arguments.scalar_arguments.get(REQUIRED) {
            None => {}
            Some(Some(top_k)) => {
                read_top_k(top_k)?;
            }
            Some(None) => return plan_err!("als_because: argument 'top_k' must be a literal"),
        }
        let list = DataType::List(list_item());
        Ok(Arc::new(Field::new(self.name(), list, true)))
    }

    fn simplify(
        &self,
        arguments: Vec<Expr>,
        _context: &SimplifyContext,
    ) -> Result<ExprSimplifyResult> {
        pin_version(self, &self.call, arguments)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [model, tracks, plays, track, top_k @ ..] = arguments.args.as_slice() else {
            return internal_err!("als_because: {} arguments", arguments.args.len());
        };
        let null = || {
            let null = ScalarValue::try_new_null(&DataType::List(list_item()));
            null.map(ColumnarValue::Scalar)
        };
        let Some(model) = self.call.model_of(model)? else {
            return null();
        };
        let Some(als) = self.call.als(&model)? else {
            return null();
        };
        let top_k = match top_k.first() {
            Some(ColumnarValue::Scalar(value)) => read_top_k(value)?,
            Some(ColumnarValue::Array(_)) => {
                return exec_err!("als_because: argument 'top_k' must be a literal");
            }
            None => usize::MAX,
        };
        let rows = arguments.number_rows;
        let (tracks, plays) = (tracks.to_array(rows)?, plays.to_array(rows)?);
        let listeners = Listeners::new(als, &tracks, &plays)?;
        explain(als, &listeners, &track.to_array(rows)?, top_k).map(ColumnarValue::Array)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn read_top_k(value: &ScalarValue) -> Result<usize> {
    if value.is_null() {
        return Ok(usize::MAX);
    }
    match whole_number(value)? {
        Some(k) if k >= 1 => Ok(usize::try_from(k).unwrap_or(usize::MAX)),
        _ => plan_err!("als_because: top_k must be a whole number from 1, got {value}"),
    }
}

fn list_item() -> FieldRef {
    Arc::new(Field::new_list_field(
        DataType::Struct(FIELDS.clone()),
        true,
    ))
}

/// The listeners of a batch. Rows of one listener mostly stand together: they are one entry.
struct Listeners {
    /// Items and weights of each listener, by rising item.
    own: Vec<Vec<(u32, f64)>>,
    /// The listener of each row.
    of_row: Vec<usize>,
}

impl Listeners {
    fn new(als: &Als, tracks: &ArrayRef, plays: &ArrayRef) -> Result<Self> {
        let (tracks, plays) = (tracks.as_list::<i32>(), plays.as_list::<i32>());
        let mut listeners = Self {
            own: Vec::new(),
            of_row: Vec::with_capacity(tracks.len()),
        };
        let mut previous: Option<(ArrayRef, ArrayRef)> = None;
        for row in 0..tracks.len() {
            let values = (tracks.value(row), plays.value(row));
            let is_known = tracks.is_valid(row) && plays.is_valid(row);
            let is_same = is_known && previous.as_ref() == Some(&values);
            if !is_same {
                let own = if is_known {
                    own(als, &values.0, &values.1)?
                } else {
                    Vec::new()
                };
                listeners.own.push(own);
                previous = is_known.then_some(values);
            }
            listeners.of_row.push(listeners.own.len() - 1);
        }
        Ok(listeners)
    }
}

/// One listener's items with their weights.
fn own(als: &Als, tracks: &ArrayRef, plays: &ArrayRef) -> Result<Vec<(u32, f64)>> {
    let (tracks, plays) = (
        tracks.as_string::<i32>(),
        plays.as_primitive::<Float64Type>(),
    );
    if tracks.len() != plays.len() {
        let (tracks, plays) = (tracks.len(), plays.len());
        return exec_err!("als_because: {tracks} tracks do not fit {plays} numbers of plays");
    }
    let mut sums: BTreeMap<u32, f64> = BTreeMap::new();
    for (track, plays) in tracks.iter().zip(plays.iter()) {
        if let Some(item) = track.and_then(|track| als.item(track))
            && let Some(plays) = plays.filter(|plays| *plays > 0.0 && plays.is_finite())
        {
            *sums.entry(item).or_default() += plays;
        }
    }
    Ok(als.weighted(sums))
}

fn explain(als: &Als, listeners: &Listeners, tracks: &ArrayRef, top_k: usize) -> Result<ArrayRef> {
    let mut names: Vec<&str> = Vec::new();
    let (mut sizes, mut shares) = (Vec::new(), Vec::new());
    let mut lengths = Vec::with_capacity(tracks.len());
    let mut valid = NullBufferBuilder::new(tracks.len());
    let mut equation: Option<(usize, Option<FoldIn<'_>>)> = None;
    for (row, track) in tracks.as_string::<i32>().iter().enumerate() {
        let listener = listeners.of_row[row];
        if equation
            .as_ref()
            .is_none_or(|(known, _)| *known != listener)
        {
            let own = &listeners.own[listener];
            let solved = if own.is_empty() {
                None
            } else {
                als.fold_in(own)
            };
            equation = Some((listener, solved));
        }
        let item = track.and_then(|track| als.item(track));
        let solved = equation.as_ref().and_then(|(_, solved)| solved.as_ref());
        let (Some(item), Some(solved)) = (item, solved) else {
            lengths.push(0);
            valid.append_null();
            continue;
        };
        let contributions = solved.contributions(item as usize);
        let total: f64 = contributions.iter().map(|value| value.abs()).sum();
        let kept = largest(&contributions, top_k);
        lengths.push(kept.len());
        valid.append_non_null();
        for at in kept {
            let (played, _) = listeners.own[listener][at];
            names.push(&als.items[played as usize]);
            sizes.push(contributions[at]);
            let is_owed = total > 0.0;
            shares.push(if is_owed {
                100.0 * contributions[at] / total
            } else {
                0.0
            });
        }
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(names)),
        Arc::new(Float64Array::from(sizes)),
        Arc::new(Float64Array::from(shares)),
    ];
    let entries = StructArray::try_new(FIELDS.clone(), columns, None)?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    let list = ListArray::try_new(list_item(), offsets, Arc::new(entries), valid.finish())?;
    Ok(Arc::new(list))
}

/// Where the `k` largest absolute values are, the largest first, the first of equals.
fn largest(values: &[f64], k: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    let size = |at: usize| values[at].abs();
    order.sort_unstable_by(|&a, &b| size(b).total_cmp(&size(a)).then(a.cmp(&b)));
    order.truncate(k);
    order
}
