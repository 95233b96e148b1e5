//! Accumulators of a mean loss: what each row loses is worked out first, then gathered as pairs' moments are.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array};
use arrow::buffer::NullBuffer;
use datafusion::{
    common::{Result, ScalarValue, exec_err},
    logical_expr::{Accumulator, EmitTo, GroupsAccumulator},
};

use crate::{
    held_pairs::Reading,
    pair_accumulators::{Answer, PairAccumulator, PairGroupsAccumulator, SlidingPairAccumulator},
};

/// What a row loses: of a label, 0 or 1, and the probability that it is 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loss {
    pub(crate) function: &'static str,
    pub(crate) reading: Reading,
    pub(crate) of_row: fn(f64, f64) -> f64,
}

impl Loss {
    /// The losses of a batch, twice: a mean is gathered as a pair with itself. Null where a side is null or the row is
    /// filtered out.
    fn of(self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<[ArrayRef; 2]> {
        let kept = filter.map(|filter| {
            let kept = NullBuffer::new(filter.values().clone());
            NullBuffer::union(Some(&kept), filter.nulls())
        });
        let values: Vec<ArrayRef> = match &kept {
            None => values.to_vec(),
            Some(kept) => values
                .iter()
                .map(|values| only(values, kept.as_ref()))
                .collect::<Result<_>>()?,
        };
        let [labels, probabilities] = (self.reading)(self.function, &values)?;
        let present = NullBuffer::union(labels.nulls(), probabilities.nulls());
        let mut losses = Vec::with_capacity(labels.len());
        for row in 0..labels.len() {
            let is_present = present.as_ref().is_none_or(|present| present.is_valid(row));
            let probability = probabilities.value(row);
            let is_possible = probability.is_nan() || (0.0..=1.0).contains(&probability);
            if is_present && !is_possible {
                return exec_err!(
                    "{}: argument 'probability' must lie between 0 and 1, got {probability}",
                    self.function
                );
            }
            losses.push((self.of_row)(labels.value(row), probability));
        }
        let losses: ArrayRef = Arc::new(Float64Array::new(losses.into(), present));
        Ok([Arc::clone(&losses), losses])
    }

    pub(crate) fn accumulator(self) -> Box<dyn Accumulator> {
        Box::new(MeanLoss {
            loss: self,
            pairs: PairAccumulator::new(Answer::Mean),
        })
    }

    pub(crate) fn sliding_accumulator(self) -> Box<dyn Accumulator> {
        Box::new(MeanLoss {
            loss: self,
            pairs: SlidingPairAccumulator::new(Answer::Mean),
        })
    }

    pub(crate) fn groups_accumulator(self) -> Box<dyn GroupsAccumulator> {
        Box::new(MeanLoss {
            loss: self,
            pairs: PairGroupsAccumulator::new(Answer::Mean),
        })
    }
}

/// The rows that are kept; null elsewhere.
fn only(values: &ArrayRef, kept: Option<&NullBuffer>) -> Result<ArrayRef> {
    let nulls = NullBuffer::union(values.nulls(), kept);
    Ok(arrow::array::make_array(
        values.to_data().into_builder().nulls(nulls).build()?,
    ))
}

/// Pairs' moments of losses.
#[derive(Debug)]
struct MeanLoss<Pairs> {
    loss: Loss,
    pairs: Pairs,
}

impl<Pairs: Accumulator> Accumulator for MeanLoss<Pairs> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.pairs.update_batch(&self.loss.of(values, None)?)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.pairs.retract_batch(&self.loss.of(values, None)?)
    }

    fn supports_retract_batch(&self) -> bool {
        self.pairs.supports_retract_batch()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.pairs.evaluate()
    }

    fn size(&self) -> usize {
        size_of::<Loss>() + self.pairs.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.pairs.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.pairs.merge_batch(states)
    }
}

impl<Pairs: GroupsAccumulator> GroupsAccumulator for MeanLoss<Pairs> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let losses = self.loss.of(values, opt_filter)?;
        self.pairs
            .update_batch(&losses, group_indices, None, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        self.pairs.evaluate(emit_to)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.pairs.state(emit_to)
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.pairs
            .merge_batch(values, group_indices, total_num_groups)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        self.pairs
            .convert_to_state(&self.loss.of(values, opt_filter)?, None)
    }

    fn size(&self) -> usize {
        size_of::<Loss>() + self.pairs.size()
    }
}
