//! What trees learn: classes or a number.

/// The label of each row.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// An index into `names` for each row.
    Classes {
        /// Class of each row; `[n_rows]`.
        of_row: &'a [u32],
        /// The classes' names, at least two.
        names: &'a [String],
    },
    /// A finite number for each row; `[n_rows]`.
    Numbers(&'a [f64]),
}

impl Target<'_> {
    /// The classes' names, none for numbers.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Classes { names, .. } => names.to_vec(),
            Self::Numbers(_) => Vec::new(),
        }
    }

    /// Labels.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Classes { of_row, .. } => of_row.len(),
            Self::Numbers(numbers) => numbers.len(),
        }
    }

    /// Numbers a model of it answers with, as [`Trees::base`](super::Trees::base) has them.
    pub(super) fn n_outputs(&self) -> usize {
        match self {
            Self::Classes { names, .. } if names.len() > 2 => names.len(),
            _ => 1,
        }
    }
}

/// A weight for each class, so that classes weigh the same together: `rows / (classes * rows of the class)`; 1 for each
/// unless `is_balanced`.
#[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
pub(super) fn class_weights(of_row: &[u32], n_classes: usize, is_balanced: bool) -> Vec<f64> {
    if !is_balanced {
        return vec![1.0; n_classes];
    }
    let mut counts = vec![0_usize; n_classes];
    for class in of_row {
        counts[*class as usize] += 1;
    }
    let weight = |count: &usize| of_row.len() as f64 / (n_classes * (*count).max(1)) as f64;
    counts.iter().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rare_class_weighs_more() {
        assert_eq!(class_weights(&[0, 0, 0, 1], 2, true), [4.0 / 6.0, 2.0]);
        assert_eq!(class_weights(&[0, 0, 0, 1], 2, false), [1.0, 1.0]);
    }
}
