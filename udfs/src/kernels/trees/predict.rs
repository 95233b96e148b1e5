//! What trees answer for rows: probabilities of classes, or a number.
//!
//! Trees are walked one after the other over a block of rows, so that a tree stays in the cache while it is walked. The answers
//! are added in the order of the trees: a row's answer does not depend on its neighbours.

use rayon::prelude::*;

use super::{
    Combination, LEAF, Tree, Trees,
    walk::{LANES, Walk},
};
use crate::kernels::logistic::{sigmoid, softmax};

/// Rows that are answered by one tree after the other: a dozen features of theirs fit the second-level cache.
const BLOCK: usize = 4096;
/// With fewer rows a tree is walked as it is.
const WORTH_A_WALK: usize = 64;

impl Trees {
    /// How many numbers a row is answered with before they become probabilities: one for two classes or a number, else
    /// one for each class.
    #[must_use]
    pub fn n_outputs(&self) -> usize {
        self.base.len()
    }
}

impl Tree {
    /// The leaf that a row of raw features falls into.
    #[must_use]
    #[inline]
    pub fn leaf(&self, row: &[f64]) -> usize {
        let mut node = 0;
        loop {
            let feature = self.features[node];
            let right = self.right[node] as usize;
            if feature == LEAF {
                return right;
            }
            let value = row[usize::from(feature)];
            let is_left =
                value <= self.thresholds[node] || (value.is_nan() && self.missing_left[node]);
            node = if is_left { node + 1 } else { right };
        }
    }
}

/// The answers to `rows`, before a sigmoid or softmax: for a forest the mean, for boosting the score. `rows` has shape
/// `[n_rows * n_features]`, row by row; so has the answer, `[n_rows * n_outputs]`.
#[must_use]
pub fn scores(trees: &Trees, rows: &[f64], n_features: usize) -> Vec<f64> {
    let blocks = rows.chunks(BLOCK * n_features.max(1));
    blocks
        .flat_map(|rows| scores_of_block(trees, rows, n_features))
        .collect()
}

fn scores_of_block(trees: &Trees, rows: &[f64], n_features: usize) -> Vec<f64> {
    let outputs = trees.n_outputs();
    let n_rows = rows.len() / n_features.max(1);
    let mut scores: Vec<f64> = trees.base.repeat(n_rows);
    let mut walk = Walk::default();
    let together = if n_rows < WORTH_A_WALK {
        0
    } else {
        n_rows - n_rows % LANES
    };
    let (many, few) = rows.split_at(together * n_features);
    for (at, tree) in trees.trees.iter().enumerate() {
        let mut answers = scores.chunks_exact_mut(outputs);
        let mut answer = |leaf: usize| {
            if let Some(scores) = answers.next() {
                add(trees.combination, tree, leaf, at, scores);
            }
        };
        if together > 0 {
            walk.set(tree);
        }
        for rows in many.chunks_exact(LANES * n_features) {
            let arrivals = walk.arrivals(rows, n_features);
            for node in arrivals {
                answer(tree.right[node] as usize);
            }
        }
        for row in few.chunks_exact(n_features) {
            answer(tree.leaf(row));
        }
    }
    if trees.combination == Combination::Mean {
        let count = count(trees);
        for score in &mut scores {
            *score /= count;
        }
    }
    scores
}

/// Adds what leaf `leaf` of tree `at` says to the scores of a row.
#[inline]
fn add(combination: Combination, tree: &Tree, leaf: usize, at: usize, scores: &mut [f64]) {
    match combination {
        Combination::Sum => {
            let output = at % scores.len();
            scores[output] += tree.values[leaf];
        }
        Combination::Mean => {
            let values = &tree.values[leaf * scores.len()..];
            scores
                .iter_mut()
                .zip(values)
                .for_each(|(score, value)| *score += value);
        }
    }
}

/// What the model says of `rows` (as in [`scores`]): the probability of each class, `[n_rows * n_classes]`, or the
/// number, `[n_rows]`.
#[must_use]
pub fn predict_rows(trees: &Trees, rows: &[f64], n_features: usize) -> Vec<f64> {
    let mut scores = scores(trees, rows, n_features);
    let is_sum = trees.combination == Combination::Sum;
    match trees.classes.len() {
        0 => scores,
        2 => scores
            .iter()
            .map(|score| if is_sum { sigmoid(*score) } else { *score })
            .flat_map(|positive| [1.0 - positive, positive])
            .collect(),
        classes => {
            if is_sum {
                scores.chunks_exact_mut(classes).for_each(softmax);
            }
            scores
        }
    }
}

/// The same on all threads, for many rows.
#[must_use]
pub fn predict_in_parallel(trees: &Trees, rows: &[f64], n_features: usize) -> Vec<f64> {
    rows.par_chunks(n_features.max(1) * BLOCK)
        .flat_map_iter(|rows| predict_rows(trees, rows, n_features))
        .collect()
}

/// What the model says of rows given as columns `[n_features][n_rows]`: the probability of each class,
/// `[n_classes][n_rows]`, or the number, `[1][n_rows]`.
#[must_use]
pub fn predict(trees: &Trees, columns: &[&[f64]]) -> Vec<Vec<f64>> {
    let answers = predict_rows(trees, &rows_of(columns), columns.len());
    let width = trees.classes.len().max(1);
    (0..width)
        .map(|class| answers.iter().skip(class).step_by(width).copied().collect())
        .collect()
}

/// Columns `[n_features][n_rows]` turned into rows `[n_rows * n_features]`.
#[must_use]
pub fn rows_of(columns: &[&[f64]]) -> Vec<f64> {
    let n_rows = columns.first().map_or(0, |column| column.len());
    let mut rows = vec![0.0; n_rows * columns.len()];
    for (feature, column) in columns.iter().enumerate() {
        let places = rows.iter_mut().skip(feature).step_by(columns.len());
        places
            .zip(*column)
            .for_each(|(place, value)| *place = *value);
    }
    rows
}

#[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 trees")]
fn count(trees: &Trees) -> f64 {
    trees.trees.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Splits feature 1 at 0.5, a missing value going left.
    fn stump(values: &[f64]) -> Tree {
        Tree {
            features: vec![1, LEAF, LEAF],
            thresholds: vec![0.5, 0.0, 0.0],
            missing_left: vec![true, false, false],
            right: vec![2, 0, 1],
            covers: vec![10.0, 4.0, 6.0],
            values: values.to_vec(),
        }
    }

    fn trees(classes: &[&str], combination: Combination, base: &[f64], of: &[&[f64]]) -> Trees {
        Trees {
            classes: classes.iter().map(ToString::to_string).collect(),
            combination,
            base: base.to_vec(),
            trees: of.iter().map(|values| stump(values)).collect(),
        }
    }

    const COLUMNS: [&[f64]; 2] = [&[9.0; 4], &[0.5, 0.500_001, f64::NAN, f64::INFINITY]];

    #[test]
    fn a_forest_answers_with_the_mean() {
        let forest = trees(
            &["a", "b"],
            Combination::Mean,
            &[0.0],
            &[&[0.25, 0.5], &[0.75, 1.0]],
        );
        let answers = predict(&forest, &COLUMNS);
        assert_eq!(answers[1], [0.5, 0.75, 0.5, 0.75]);
        assert_eq!(answers[0], [0.5, 0.25, 0.5, 0.25]);
        let forest = trees(
            &["a", "b", "c"],
            Combination::Mean,
            &[0.0; 3],
            &[&[1.0, 0.0, 0.0, 0.0, 0.25, 0.75]],
        );
        assert_eq!(predict(&forest, &COLUMNS)[2], [0.0, 0.75, 0.0, 0.75]);
        let number = trees(&[], Combination::Mean, &[0.0], &[&[-3.0, 4.0], &[1.0, 2.0]]);
        assert_eq!(predict(&number, &COLUMNS), [[-1.0, 3.0, -1.0, 3.0]]);
    }

    #[test]
    fn boosting_adds_up_from_its_base() {
        let number = trees(&[], Combination::Sum, &[10.0], &[&[-3.0, 4.0], &[1.0, 2.0]]);
        assert_eq!(predict(&number, &COLUMNS), [[8.0, 16.0, 8.0, 16.0]]);
        let binary = trees(&["a", "b"], Combination::Sum, &[1.0], &[&[-1.0, 4.0]]);
        let answers = predict(&binary, &COLUMNS);
        assert!((answers[1][0] - 0.5).abs() < 1e-15);
        assert!((answers[1][1] - 1.0 / (1.0 + (-5_f64).exp())).abs() < 1e-15);
        // Tree 1 adds to class 1: the scores left are 0, ln 3, 0.
        let three = trees(
            &["a", "b", "c"],
            Combination::Sum,
            &[0.0; 3],
            &[&[0.0, 0.0], &[3_f64.ln(), 0.0]],
        );
        let answers = predict(&three, &COLUMNS);
        assert!((answers[1][0] - 0.6).abs() < 1e-15 && (answers[2][0] - 0.2).abs() < 1e-15);
    }

    #[test]
    fn many_rows_are_answered_as_each_alone() {
        let of = [[0.25, 0.5], [0.75, 1.0], [0.1, 0.7]];
        let of: Vec<&[f64]> = of.iter().map(<[f64; 2]>::as_slice).collect();
        let tree = Tree {
            features: vec![0, LEAF, 1, LEAF, 0, LEAF, LEAF],
            thresholds: vec![1.0, 0.0, 0.3, 0.0, 2.0, 0.0, 0.0],
            missing_left: vec![false, false, true, false, false, false, false],
            right: vec![2, 0, 4, 1, 6, 2, 3],
            covers: vec![9.0, 1.0, 8.0, 1.0, 7.0, 3.0, 4.0],
            values: vec![1.0, 2.0, 3.0, 4.0],
        };
        for combination in [Combination::Mean, Combination::Sum] {
            let mut number = trees(&[], combination, &[0.0], &of);
            number.trees.push(tree.clone());
            let value = |at: u32| {
                if at.is_multiple_of(5) {
                    f64::NAN
                } else {
                    f64::from(at % 7) / 2.0
                }
            };
            let rows: Vec<f64> = (0..2 * 4631).map(value).collect();
            let together = scores(&number, &rows, 2);
            let alone = rows.chunks(2).flat_map(|row| scores(&number, row, 2));
            assert_eq!(together, alone.collect::<Vec<_>>());
            assert_eq!(together, predict_in_parallel(&number, &rows, 2));
        }
    }

    #[test]
    fn no_rows_have_no_answers() {
        let number = trees(&[], Combination::Sum, &[10.0], &[&[-3.0, 4.0]]);
        assert_eq!(predict(&number, &[&[], &[]]), [Vec::<f64>::new()]);
    }
}
