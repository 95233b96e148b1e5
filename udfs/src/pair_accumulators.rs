//! Accumulators over pairs of numbers, shared by `pearson`, `pearson_test` and mean losses: one group, many groups, sliding windows.
//!
//! They gather [`Moments`]; an [`Answer`] says what is read off in the end. A pair with a null side is left out.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, StructArray, UInt64Array,
    },
    buffer::NullBuffer,
    datatypes::{DataType, Field, FieldRef, Fields, Float64Type, UInt64Type},
};
use datafusion::{
    common::{Result, ScalarValue, internal_err},
    logical_expr::{Accumulator, EmitTo, GroupsAccumulator, utils::format_state_name},
};

use crate::kernels::{
    moments::{CorrelationTest, Moments},
    sliding::SlidingMoments,
};

/// What is read off the moments in the end.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    /// Pearson's r as a double.
    Correlation,
    /// The mean of the first side as a double; NaN with a value that is not finite.
    Mean,
    /// Pearson's r with its test and interval as a struct.
    Test {
        /// Coverage of the interval, between 0 and 1.
        confidence: f64,
    },
}

impl Answer {
    /// The fields of `pearson_test`.
    pub(crate) fn test_fields() -> Fields {
        let double = |name| Field::new(name, DataType::Float64, true);
        let count = |name| Field::new(name, DataType::Int64, true);
        Fields::from(vec![
            double("r"),
            count("n"),
            double("t_stat"),
            count("df"),
            double("p_value"),
            double("ci_low"),
            double("ci_high"),
        ])
    }

    fn array(self, groups: &[Moments]) -> ArrayRef {
        match self {
            Self::Correlation => Arc::new(
                groups
                    .iter()
                    .map(Moments::correlation)
                    .collect::<Float64Array>(),
            ),
            Self::Mean => Arc::new(groups.iter().map(Moments::mean).collect::<Float64Array>()),
            Self::Test { confidence } => {
                let tests: Vec<_> = groups
                    .iter()
                    .map(|group| group.correlation_test(confidence))
                    .collect();
                Arc::new(tests_array(&tests))
            }
        }
    }

    fn scalar(self, moments: &Moments) -> Result<ScalarValue> {
        ScalarValue::try_from_array(&self.array(&[*moments]), 0)
    }
}

/// Where there is no test, the struct is null and so is each of its fields.
fn tests_array(tests: &[Option<CorrelationTest>]) -> StructArray {
    let double = |field: fn(&CorrelationTest) -> f64| -> ArrayRef {
        Arc::new(
            tests
                .iter()
                .map(|test| test.as_ref().map(field))
                .collect::<Float64Array>(),
        )
    };
    let count = |field: fn(&CorrelationTest) -> u64| -> ArrayRef {
        let counts = tests
            .iter()
            .map(|test| test.as_ref().map(|test| field(test).cast_signed()));
        Arc::new(counts.collect::<Int64Array>())
    };
    let columns = vec![
        double(|test| test.r),
        count(|test| test.n),
        double(|test| test.t_stat),
        count(|test| test.df),
        double(|test| test.p_value),
        double(|test| test.ci_low),
        double(|test| test.ci_high),
    ];
    let known: NullBuffer = tests.iter().map(Option::is_some).collect();
    StructArray::new(Answer::test_fields(), columns, Some(known))
}

/// The columns in which moments travel between partial and final aggregation.
pub(crate) fn state_fields(name: &str) -> Vec<FieldRef> {
    let field = |part: &str, data_type| {
        Arc::new(Field::new(format_state_name(name, part), data_type, true))
    };
    let counts = ["count", "non_finite"].map(|part| field(part, DataType::UInt64));
    let sums = ["mean_x", "mean_y", "xx", "yy", "xy"].map(|part| field(part, DataType::Float64));
    counts.into_iter().chain(sums).collect()
}

fn state_arrays(groups: &[Moments]) -> Vec<ArrayRef> {
    let counts = |part: fn(&Moments) -> u64| -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values(groups.iter().map(part)))
    };
    let sums = |part: fn(&Moments) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(groups.iter().map(part)))
    };
    vec![
        counts(|group| group.count),
        counts(|group| group.non_finite),
        sums(|group| group.mean_x),
        sums(|group| group.mean_y),
        sums(|group| group.xx),
        sums(|group| group.yy),
        sums(|group| group.xy),
    ]
}

/// Hands every row of state arrays to `merge`.
fn read_states(states: &[ArrayRef], mut merge: impl FnMut(usize, Moments)) -> Result<()> {
    let [count, non_finite, sums @ ..] = states else {
        return internal_err!(
            "moments of pairs travel in seven columns, got {}",
            states.len()
        );
    };
    let [count, non_finite] =
        [count, non_finite].map(|array| array.as_primitive::<UInt64Type>().values());
    let sums: Vec<&[f64]> = sums
        .iter()
        .map(|array| array.as_primitive::<Float64Type>().values().as_ref())
        .collect();
    let [mean_x, mean_y, xx, yy, xy] = sums.as_slice() else {
        return internal_err!(
            "moments of pairs travel in seven columns, got {}",
            states.len()
        );
    };
    for row in 0..count.len() {
        let moments = Moments {
            count: count[row],
            non_finite: non_finite[row],
            mean_x: mean_x[row],
            mean_y: mean_y[row],
            xx: xx[row],
            yy: yy[row],
            xy: xy[row],
        };
        merge(row, moments);
    }
    Ok(())
}

/// The two sides of a batch and the rows that count; `None` if all do.
struct Pairs<'a> {
    x: &'a [f64],
    y: &'a [f64],
    present: Option<NullBuffer>,
}

impl<'a> Pairs<'a> {
    fn of(values: &'a [ArrayRef], filter: Option<&BooleanArray>) -> Result<Self> {
        let [x, y, ..] = values else {
            return internal_err!("pairs have two sides, got {}", values.len());
        };
        let (x, y) = (
            x.as_primitive::<Float64Type>(),
            y.as_primitive::<Float64Type>(),
        );
        let mut present = NullBuffer::union(x.nulls(), y.nulls());
        if let Some(filter) = filter {
            let kept = NullBuffer::new(filter.values().clone());
            present = NullBuffer::union(present.as_ref(), Some(&kept));
            present = NullBuffer::union(present.as_ref(), filter.nulls());
        }
        Ok(Self {
            x: x.values(),
            y: y.values(),
            present: present.filter(|present| present.null_count() > 0),
        })
    }

    fn for_each(&self, mut visit: impl FnMut(usize, f64, f64)) {
        match &self.present {
            None => self
                .x
                .iter()
                .zip(self.y)
                .enumerate()
                .for_each(|(row, (x, y))| visit(row, *x, *y)),
            Some(present) => present
                .valid_indices()
                .for_each(|row| visit(row, self.x[row], self.y[row])),
        }
    }
}

/// Gathers one group.
#[derive(Debug)]
pub(crate) struct PairAccumulator {
    answer: Answer,
    moments: Moments,
}

impl PairAccumulator {
    pub(crate) fn new(answer: Answer) -> Self {
        Self {
            answer,
            moments: Moments::default(),
        }
    }
}

impl Accumulator for PairAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let pairs = Pairs::of(values, None)?;
        match &pairs.present {
            None => self.moments.merge(&Moments::of(pairs.x, pairs.y)),
            Some(present) => {
                let rows = present.len() - present.null_count();
                let (mut x, mut y) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
                pairs.for_each(|_, one, other| {
                    x.push(one);
                    y.push(other);
                });
                self.moments.merge(&Moments::of(&x, &y));
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.answer.scalar(&self.moments)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        state_arrays(&[self.moments])
            .iter()
            .map(|array| ScalarValue::try_from_array(array, 0))
            .collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        read_states(states, |_, moments| self.moments.merge(&moments))
    }
}

/// Gathers a window whose oldest rows leave.
#[derive(Debug)]
pub(crate) struct SlidingPairAccumulator {
    answer: Answer,
    window: SlidingMoments,
}

impl SlidingPairAccumulator {
    pub(crate) fn new(answer: Answer) -> Self {
        Self {
            answer,
            window: SlidingMoments::default(),
        }
    }
}

impl Accumulator for SlidingPairAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        Pairs::of(values, None)?.for_each(|_, x, y| self.window.push(x, y));
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        Pairs::of(values, None)?.for_each(|_, _, _| self.window.pop());
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.answer.scalar(&self.window.moments())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.window.heap_size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        internal_err!("a sliding window is never aggregated in parts")
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> Result<()> {
        internal_err!("a sliding window is never aggregated in parts")
    }
}

/// Gathers all groups of a `GROUP BY` at once.
#[derive(Debug)]
pub(crate) struct PairGroupsAccumulator {
    answer: Answer,
    groups: Vec<Moments>,
}

impl PairGroupsAccumulator {
    pub(crate) fn new(answer: Answer) -> Self {
        Self {
            answer,
            groups: vec![],
        }
    }
}

impl GroupsAccumulator for PairGroupsAccumulator {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups.resize(total_num_groups, Moments::default());
        let pairs = Pairs::of(values, opt_filter)?;
        pairs.for_each(|row, x, y| self.groups[group_indices[row]].push(x, y));
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(self.answer.array(&emit_to.take_needed(&mut self.groups)))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(state_arrays(&emit_to.take_needed(&mut self.groups)))
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups.resize(total_num_groups, Moments::default());
        read_states(values, |row, moments| {
            self.groups[group_indices[row]].merge(&moments);
        })
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let pairs = Pairs::of(values, opt_filter)?;
        let mut rows = vec![Moments::default(); pairs.x.len()];
        pairs.for_each(|row, x, y| rows[row].push(x, y));
        Ok(state_arrays(&rows))
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<Moments>()
    }
}
