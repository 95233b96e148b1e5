//! `gather_listening`: the aggregate that turns a listener's plays into a [`Listening`], streaming.
//!
//! Not for use by hand: `recommend`'s query makes its arguments. What it keeps of a listener grows with their tracks and
//! sessions and eight bytes for each play.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, Float64Array, ListArray, StringArray, StructArray,
    },
    buffer::OffsetBuffer,
    datatypes::{DataType, Field, FieldRef, Fields, Float64Type},
};
use datafusion::{
    common::{Result, ScalarValue, internal_err},
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::format_state_name,
    },
};

use super::{
    listening::{Listening, Play, Stretch, sortable, unsorted},
    profile::{FEATURES, N_FEATURES},
};

/// The name that the query of `recommend` calls it by.
pub(super) const GATHER_LISTENING: &str = "gather_listening";
/// The lists that a [`Listening`] travels as.
const PARTS: [(&str, DataType); 6] = [
    ("figures", DataType::Float64),
    ("stretches", DataType::Float64),
    ("track_ids", DataType::Utf8),
    ("track_plays", DataType::Float64),
    ("valences", DataType::Float64),
    ("artists", DataType::Utf8),
];
/// Numbers of one stretch.
const OF_STRETCH: usize = 7;
/// Numbers of one track.
const OF_TRACK: usize = 2;
/// Bytes that a track, an artist or a stretch takes: its name of some twenty letters, its numbers, its place.
const OF_ENTRY: usize = 128;
/// Numbers before the sums: the last day and the weight.
const BEFORE_SUMS: usize = 2;

/// The aggregate function.
pub(super) fn gather_listening() -> AggregateUDF {
    AggregateUDF::from(GatherListening {
        signature: Signature::any(8 + N_FEATURES, Volatility::Immutable),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct GatherListening {
    signature: Signature,
}

impl AggregateUDFImpl for GatherListening {
    fn name(&self) -> &str {
        GATHER_LISTENING
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(fields()))
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Gathering::default()))
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let part = |field: &FieldRef| {
            let name = format_state_name(arguments.name, field.name());
            Arc::new(field.as_ref().clone().with_name(name))
        };
        Ok(fields().iter().map(part).collect())
    }
}

fn fields() -> Fields {
    PARTS
        .iter()
        .map(|(name, item)| Field::new_list(*name, Field::new_list_field(item.clone(), true), true))
        .collect()
}

#[derive(Debug, Default)]
struct Gathering {
    listening: Listening,
}

impl Accumulator for Gathering {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let [
            track_id,
            artist,
            day,
            date,
            session,
            is_completed,
            is_skipped,
            is_in_context,
            features @ ..,
        ] = columns
        else {
            return internal_err!("{GATHER_LISTENING}: got {} arguments", columns.len());
        };
        let (track_id, artist) = (texts(track_id)?, texts(artist)?);
        let (day, date, session) = (doubles(day)?, doubles(date)?, doubles(session)?);
        let (is_completed, is_skipped) = (flags(is_completed)?, flags(is_skipped)?);
        let is_in_context = flags(is_in_context)?;
        let features = features.iter().map(doubles).collect::<Result<Vec<_>>>()?;
        let flag = |flags: &BooleanArray, row| flags.is_valid(row) && flags.value(row);
        let number =
            |numbers: &Float64Array, row| numbers.is_valid(row).then(|| numbers.value(row));
        for row in 0..track_id.len() {
            self.listening.add(&Play {
                track_id: track_id.is_valid(row).then(|| track_id.value(row)),
                artist: artist.is_valid(row).then(|| artist.value(row)),
                day: number(day, row),
                date: number(date, row),
                session: number(session, row),
                is_completed: flag(is_completed, row),
                is_skipped: flag(is_skipped, row),
                is_in_context: flag(is_in_context, row),
                features: known_features(&features, row),
            });
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let columns = encode(&self.listening)
            .into_iter()
            .map(|list| Arc::new(list) as ArrayRef);
        let row = StructArray::try_new(fields(), columns.collect(), None)?;
        Ok(ScalarValue::Struct(Arc::new(row)))
    }

    /// Asked for with every batch, so by counts alone.
    fn size(&self) -> usize {
        let listening = &self.listening;
        let entries = listening.tracks.len() + listening.artists.len() + listening.stretches.len();
        size_of::<Self>() + OF_ENTRY * entries + size_of::<f64>() * listening.valences.capacity()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let lists = encode(&self.listening).into_iter();
        Ok(lists
            .map(|list| ScalarValue::List(Arc::new(list)))
            .collect())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for row in 0..states.first().map_or(0, arrow::array::Array::len) {
            self.listening.absorb(&decode(states, row)?);
        }
        Ok(())
    }
}

/// `None` where a feature is unknown or out of its bounds: the track was not analysed.
fn known_features(columns: &[&Float64Array], row: usize) -> Option<[f64; N_FEATURES]> {
    let mut features = [0.0; N_FEATURES];
    for ((value, column), feature) in features.iter_mut().zip(columns).zip(FEATURES) {
        *value = column.is_valid(row).then(|| column.value(row))?;
        if !(feature.low..=feature.high).contains(value) {
            return None;
        }
    }
    Some(features)
}

/// One list for each of [`PARTS`]; tracks in the order of their ids.
fn encode(listening: &Listening) -> Vec<ListArray> {
    let figures = [listening.last_day.unwrap_or(f64::NAN), listening.weight]
        .into_iter()
        .chain(listening.sums)
        .chain(listening.squares);
    let stretches = listening
        .stretches
        .iter()
        .flat_map(|((date, session), stretch)| {
            let Stretch {
                latest,
                known,
                valence,
                weight,
                weighted_valence,
            } = *stretch;
            [
                unsorted(*date),
                unsorted(*session),
                latest,
                known,
                valence,
                weight,
                weighted_valence,
            ]
        });
    let mut tracks: Vec<_> = listening.tracks.iter().collect();
    tracks.sort_unstable_by_key(|(track_id, _)| *track_id);
    let plays = tracks
        .iter()
        .flat_map(|(_, track)| [track.counted, track.last_skip]);
    vec![
        list_of(Float64Array::from_iter_values(figures)),
        list_of(Float64Array::from_iter_values(stretches)),
        list_of(StringArray::from_iter_values(
            tracks.iter().map(|(track_id, _)| track_id),
        )),
        list_of(Float64Array::from_iter_values(plays)),
        list_of(Float64Array::from_iter_values(
            listening.valences.iter().copied(),
        )),
        list_of(StringArray::from_iter_values(&listening.artists)),
    ]
}

fn list_of(items: impl Array + 'static) -> ListArray {
    let item = Arc::new(Field::new_list_field(items.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths([items.len()]);
    ListArray::new(item, offsets, Arc::new(items), None)
}

/// The listener of one row of a column that the aggregate made.
pub(super) fn listening_at(rows: &StructArray, row: usize) -> Result<Listening> {
    decode(rows.columns(), row)
}

fn decode(lists: &[ArrayRef], row: usize) -> Result<Listening> {
    let [
        figures,
        stretches,
        track_ids,
        track_plays,
        valences,
        artists,
    ] = lists
    else {
        return internal_err!(
            "{GATHER_LISTENING}: expected {} lists, got {}",
            PARTS.len(),
            lists.len()
        );
    };
    let [figures, stretches, track_plays, valences] =
        [figures, stretches, track_plays, valences].map(|list| items_at(list, row));
    let (figures, stretches) = (figures?, stretches?);
    let (track_plays, valences) = (track_plays?, valences?);
    let (figures, stretches) = (doubles(&figures)?.values(), doubles(&stretches)?.values());
    if figures.len() != BEFORE_SUMS + 2 * N_FEATURES {
        return internal_err!("{GATHER_LISTENING}: {} figures", figures.len());
    }
    let mut listening = Listening {
        last_day: Some(figures[0]).filter(|day| !day.is_nan()),
        weight: figures[1],
        sums: std::array::from_fn(|at| figures[BEFORE_SUMS + at]),
        squares: std::array::from_fn(|at| figures[BEFORE_SUMS + N_FEATURES + at]),
        valences: doubles(&valences)?.values().to_vec(),
        ..Listening::default()
    };
    for stretch in stretches.chunks_exact(OF_STRETCH) {
        let key = (sortable(stretch[0]), sortable(stretch[1]));
        let stretch = Stretch {
            latest: stretch[2],
            known: stretch[3],
            valence: stretch[4],
            weight: stretch[5],
            weighted_valence: stretch[6],
        };
        listening.add_stretch(key, stretch);
    }
    let (track_ids, artists) = (items_at(track_ids, row)?, items_at(artists, row)?);
    let plays = doubles(&track_plays)?.values().chunks_exact(OF_TRACK);
    for (track_id, plays) in texts(&track_ids)?.iter().flatten().zip(plays) {
        listening.add_track(track_id, plays[0], plays[1]);
    }
    let artists = texts(&artists)?.iter().flatten().map(ToOwned::to_owned);
    listening.artists.extend(artists);
    Ok(listening)
}

fn items_at(list: &ArrayRef, row: usize) -> Result<ArrayRef> {
    if let Some(list) = list.as_list_opt::<i32>() {
        Ok(list.value(row))
    } else {
        internal_err!(
            "{GATHER_LISTENING}: expected a list, got {}",
            list.data_type()
        )
    }
}

fn texts(column: &ArrayRef) -> Result<&StringArray> {
    if let Some(column) = column.as_string_opt::<i32>() {
        Ok(column)
    } else {
        internal_err!(
            "{GATHER_LISTENING}: expected text, got {}",
            column.data_type()
        )
    }
}

fn doubles(column: &ArrayRef) -> Result<&Float64Array> {
    if let Some(column) = column.as_primitive_opt::<Float64Type>() {
        Ok(column)
    } else {
        internal_err!(
            "{GATHER_LISTENING}: expected doubles, got {}",
            column.data_type()
        )
    }
}

fn flags(column: &ArrayRef) -> Result<&BooleanArray> {
    if let Some(column) = column.as_boolean_opt() {
        Ok(column)
    } else {
        internal_err!(
            "{GATHER_LISTENING}: expected flags, got {}",
            column.data_type()
        )
    }
}
