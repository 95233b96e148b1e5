//! An accumulator that holds its rows: for answers that need them in order, such as ranks. 16 bytes a row.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Float64Array},
    datatypes::{DataType, Field, FieldRef, Float64Type},
};
use datafusion::{
    common::{Result, ScalarValue, internal_err, utils::SingleRowListArrayBuilder},
    logical_expr::{Accumulator, utils::format_state_name},
};

/// The answer for the rows held, which have no null on either side.
pub(crate) type HeldAnswer = Box<dyn Fn(&[f64], &[f64]) -> Result<ScalarValue> + Send + Sync>;
/// Turns a batch's arguments into two columns of doubles; nulls mean that the row is left out.
pub(crate) type Reading = fn(&str, &[ArrayRef]) -> Result<[Float64Array; 2]>;

/// Gathers one group, and a window whose oldest rows leave.
pub(crate) struct HeldPairs {
    pub(crate) function: &'static str,
    pub(crate) reading: Reading,
    pub(crate) answer: HeldAnswer,
    pub(crate) x: Vec<f64>,
    pub(crate) y: Vec<f64>,
    /// Rows at the start that have left already.
    pub(crate) left: usize,
}

impl std::fmt::Debug for HeldPairs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeldPairs")
            .field("function", &self.function)
            .field("rows", &(self.x.len() - self.left))
            .finish_non_exhaustive()
    }
}

/// The columns in which rows travel between partial and final aggregation.
pub(crate) fn state_fields(name: &str) -> Vec<FieldRef> {
    let doubles = Arc::new(Field::new_list_field(DataType::Float64, true));
    ["x", "y"]
        .map(|part| {
            let name = format_state_name(name, part);
            Arc::new(Field::new(name, DataType::List(Arc::clone(&doubles)), true))
        })
        .to_vec()
}

impl Accumulator for HeldPairs {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [x, y] = (self.reading)(self.function, values)?;
        if x.null_count() == 0 && y.null_count() == 0 {
            self.x.extend_from_slice(x.values());
            self.y.extend_from_slice(y.values());
            return Ok(());
        }
        for (x, y) in x.iter().zip(y.iter()) {
            if let (Some(x), Some(y)) = (x, y) {
                self.x.push(x);
                self.y.push(y);
            }
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [x, y] = (self.reading)(self.function, values)?;
        self.left += x
            .iter()
            .zip(y.iter())
            .filter(|(x, y)| x.is_some() && y.is_some())
            .count();
        // Half of what is held has left: moving the rest costs no more than the rows did when they came.
        if self.left * 2 > self.x.len() {
            self.x.drain(..self.left.min(self.x.len()));
            self.y.drain(..self.left.min(self.y.len()));
            self.left = 0;
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        (self.answer)(&self.x[self.left..], &self.y[self.left..])
    }

    fn size(&self) -> usize {
        size_of_val(self) + (self.x.capacity() + self.y.capacity()) * size_of::<f64>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let list = |values: &mut Vec<f64>| {
            let values: ArrayRef = Arc::new(Float64Array::from(std::mem::take(values)));
            SingleRowListArrayBuilder::new(values).build_list_scalar()
        };
        Ok(vec![list(&mut self.x), list(&mut self.y)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [x, y] = states else {
            return internal_err!("{}: rows travel in two columns", self.function);
        };
        for (list, held) in [(x, &mut self.x), (y, &mut self.y)] {
            for values in list.as_list::<i32>().iter().flatten() {
                held.extend_from_slice(values.as_primitive::<Float64Type>().values());
            }
        }
        Ok(())
    }
}
