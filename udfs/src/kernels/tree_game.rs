//! The probability of boosted trees as a game, divided by Shapley's formula over all coalitions.
//!
//! A coalition's worth is the class's probability at the margin that the trees expect when they know the coalition's
//! features alone: of the others both branches are taken, in proportion to the training rows that took them, as in
//! [`tree_shap`](super::tree_shap). The empty coalition's worth, the baseline, is so the probability at the mean margin, not
//! the mean probability: probabilities are no sum over trees, and the link is applied to the sum.
//!
//! A leaf's part in the margin is a product over the features on its path: the share `z` of the covers that the feature's
//! splits leave if it is outside the coalition, else 1 if the row follows them and 0 if not. Multiplied out, each product
//! has a term for every subset of the path; summed over the leaves and then over the subsets of each coalition, by the scheme
//! of Yates, "The Design and Analysis of Factorial Experiments" (1937, Imperial Bureau of Soil Science), they are the margins
//! of all coalitions (Shapley's formula as in [`shapley`](super::shapley)).

use rayon::prelude::*;

use super::{
    logistic::{sigmoid, softmax},
    shapley::{MAX_ENUMERATED_FEATURES, shapley_value, subset_weights},
    tree_shap::TreeExplanations,
    trees::{LEAF, Tree, Trees},
};

/// Rows that a thread takes at a time.
const BLOCK_ROWS: usize = 64;

/// Divides the probabilities of boosted trees over at most [`MAX_ENUMERATED_FEATURES`] features.
#[derive(Debug)]
pub struct TreeGame<'a> {
    trees: &'a Trees,
    n_features: usize,
    /// The leaves of each output's trees; shape `[n_outputs][n_leaves]`.
    leaves: Vec<Vec<Leaf>>,
    /// Shapley's weight of each coalition; shape `[2^n_features]`.
    weights: Vec<f64>,
}

#[derive(Debug)]
struct Leaf {
    value: f64,
    path: Vec<Condition>,
}

/// What the splits on one feature above a leaf ask for together.
#[derive(Debug, Clone, Copy)]
struct Condition {
    feature: usize,
    above: f64,
    at_most: f64,
    takes_missing: bool,
    share: f64,
}

impl Condition {
    fn is_met(&self, row: &[f64]) -> bool {
        let value = row[self.feature];
        if value.is_nan() {
            self.takes_missing
        } else {
            value > self.above && value <= self.at_most
        }
    }
}

impl<'a> TreeGame<'a> {
    /// The game of boosted trees of classes over at most [`MAX_ENUMERATED_FEATURES`] features.
    #[must_use]
    pub fn new(trees: &'a Trees, n_features: usize) -> Self {
        let n_features = n_features.min(MAX_ENUMERATED_FEATURES);
        let mut leaves: Vec<Vec<Leaf>> = trees.base.iter().map(|_| vec![]).collect();
        let n_outputs = leaves.len();
        for (at, tree) in trees.trees.iter().enumerate() {
            collect_leaves(tree, &mut leaves[at % n_outputs]);
        }
        Self {
            trees,
            n_features,
            leaves,
            weights: subset_weights(n_features),
        }
    }

    /// Explains the probability of each row's class. Missing values are NaN. Columns have the shape
    /// `[n_features][n_rows]`, classes `[n_rows]`. Predictions are the worth of the coalition of all features.
    #[must_use]
    pub fn explain(&self, columns: &[&[f64]], classes: &[usize]) -> TreeExplanations {
        let blocks: Vec<TreeExplanations> = classes
            .par_chunks(BLOCK_ROWS)
            .enumerate()
            .map(|(block, classes)| self.explain_block(columns, block * BLOCK_ROWS, classes))
            .collect();
        blocks.into_iter().collect()
    }

    fn explain_block(
        &self,
        columns: &[&[f64]],
        from: usize,
        classes: &[usize],
    ) -> TreeExplanations {
        let coalitions = 1 << self.n_features;
        let mut margins = vec![vec![0.0; coalitions]; self.leaves.len()];
        let mut explained = TreeExplanations::default();
        for (row, class) in (from..).zip(classes) {
            let values: Vec<f64> = columns.iter().map(|column| column[row]).collect();
            for ((margins, leaves), base) in
                margins.iter_mut().zip(&self.leaves).zip(&self.trees.base)
            {
                fill_margins(margins, leaves, *base, &values, self.n_features);
            }
            let game = worth(&margins, *class);
            for feature in 0..columns.len() {
                let value = shapley_value(&game, &self.weights, feature);
                explained.contributions.push(value);
            }
            explained.baselines.push(game[0]);
            explained.predictions.push(game[coalitions - 1]);
        }
        explained
    }
}

/// The margin of every coalition, a bit for each feature.
fn fill_margins(margins: &mut [f64], leaves: &[Leaf], base: f64, row: &[f64], n_features: usize) {
    margins.fill(0.0);
    margins[0] = base;
    let mut terms: Vec<(usize, f64)> = vec![];
    for leaf in leaves {
        terms.clear();
        terms.push((0, leaf.value));
        for condition in &leaf.path {
            let inside = if condition.is_met(row) { 1.0 } else { 0.0 };
            for at in 0..terms.len() {
                let (subset, term) = terms[at];
                terms[at].1 = term * condition.share;
                terms.push((
                    subset | 1 << condition.feature,
                    term * (inside - condition.share),
                ));
            }
        }
        for (subset, term) in &terms {
            margins[*subset] += term;
        }
    }
    for feature in 0..n_features {
        for pair in margins.chunks_exact_mut(2 << feature) {
            let (without, with) = pair.split_at_mut(1 << feature);
            with.iter_mut()
                .zip(without)
                .for_each(|(with, without)| *with += *without);
        }
    }
}

/// The probability of a class for every coalition.
fn worth(margins: &[Vec<f64>], class: usize) -> Vec<f64> {
    if let [margins] = margins {
        let sign = if class == 1 { 1.0 } else { -1.0 };
        return margins
            .iter()
            .map(|margin| sigmoid(sign * margin))
            .collect();
    }
    let coalitions = margins.first().map_or(0, Vec::len);
    let mut scores = vec![0.0; margins.len()];
    (0..coalitions)
        .map(|coalition| {
            let outputs = scores.iter_mut().zip(margins);
            outputs.for_each(|(score, margins)| *score = margins[coalition]);
            softmax(&mut scores);
            scores[class]
        })
        .collect()
}

fn collect_leaves(tree: &Tree, leaves: &mut Vec<Leaf>) {
    let mut waiting: Vec<(usize, Vec<Condition>)> = vec![(0, vec![])];
    while let Some((node, path)) = waiting.pop() {
        if tree.features[node] == LEAF {
            leaves.push(Leaf {
                value: tree.values[tree.right[node] as usize],
                path,
            });
            continue;
        }
        let (left, right) = (node + 1, tree.right[node] as usize);
        let covers = tree.covers[left] + tree.covers[right];
        for (child, is_left) in [(right, false), (left, true)] {
            let share = tree.covers[child] / covers;
            waiting.push((child, narrowed(&path, tree, node, is_left, share)));
        }
    }
}

/// A path with the condition of one more split.
fn narrowed(
    path: &[Condition],
    tree: &Tree,
    node: usize,
    is_left: bool,
    share: f64,
) -> Vec<Condition> {
    let feature = usize::from(tree.features[node]);
    let threshold = tree.thresholds[node];
    let mut path = path.to_vec();
    let known = path
        .iter()
        .position(|condition| condition.feature == feature);
    let at = known.unwrap_or_else(|| {
        path.push(Condition {
            feature,
            above: f64::NEG_INFINITY,
            at_most: f64::INFINITY,
            takes_missing: true,
            share: 1.0,
        });
        path.len() - 1
    });
    let condition = &mut path[at];
    if is_left {
        condition.at_most = condition.at_most.min(threshold);
    } else {
        condition.above = condition.above.max(threshold);
    }
    condition.takes_missing &= tree.missing_left[node] == is_left;
    condition.share *= share;
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::trees::Combination;

    /// Splits feature 0 at 0.5, below it feature 1 at 0.5 and then feature 0 again at 0.25.
    fn tree(values: [f64; 4]) -> Tree {
        Tree {
            features: vec![0, 1, 0, LEAF, LEAF, LEAF, LEAF],
            thresholds: vec![0.5, 0.5, 0.25, 0.0, 0.0, 0.0, 0.0],
            missing_left: vec![true, false, false, false, false, false, false],
            right: vec![6, 5, 4, 0, 1, 2, 3],
            covers: vec![10.0, 6.0, 4.0, 1.0, 3.0, 2.0, 4.0],
            values: values.to_vec(),
        }
    }

    fn boosted(classes: usize) -> Trees {
        let outputs = if classes == 2 { 1 } else { classes };
        Trees {
            classes: (0..classes).map(|class| class.to_string()).collect(),
            combination: Combination::Sum,
            base: vec![0.25; outputs],
            trees: (0..2 * outputs)
                .map(|at| {
                    let shift = f64::from(u32::try_from(at).unwrap());
                    tree([-2.0 + shift, 1.0, 0.5 - shift, 3.0])
                })
                .collect(),
        }
    }

    /// The expected margin of a tree when the features of a coalition are known.
    fn expected(tree: &Tree, row: &[f64], coalition: usize, node: usize) -> f64 {
        if tree.features[node] == LEAF {
            return tree.values[tree.right[node] as usize];
        }
        let (left, right) = (node + 1, tree.right[node] as usize);
        let feature = usize::from(tree.features[node]);
        let below = |child| expected(tree, row, coalition, child);
        if (coalition >> feature) & 1 == 1 {
            let value = row[feature];
            let is_left =
                value <= tree.thresholds[node] || (value.is_nan() && tree.missing_left[node]);
            return below(if is_left { left } else { right });
        }
        let share = tree.covers[left] / tree.covers[node];
        share * below(left) + (1.0 - share) * below(right)
    }

    fn worth_by_definition(trees: &Trees, row: &[f64], coalition: usize, class: usize) -> f64 {
        let outputs = trees.base.len();
        let mut margins = trees.base.clone();
        for (at, tree) in trees.trees.iter().enumerate() {
            margins[at % outputs] += expected(tree, row, coalition, 0);
        }
        if outputs == 1 {
            let odds = margins[0].exp();
            return if class == 1 { odds } else { 1.0 } / (1.0 + odds);
        }
        let total: f64 = margins.iter().map(|margin| margin.exp()).sum();
        margins[class].exp() / total
    }

    #[test]
    fn contributions_are_shapleys_of_the_probability() {
        for classes in [2, 3] {
            let trees = boosted(classes);
            let rows = [[0.1, 0.2, 0.0], [0.4, 0.3, 1.0], [f64::NAN, 0.9, 2.0]];
            let columns: Vec<Vec<f64>> = (0..3)
                .map(|feature| rows.iter().map(|row| row[feature]).collect())
                .collect();
            let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
            for class in 0..classes {
                let explained = TreeGame::new(&trees, 3).explain(&columns, &[class; 3]);
                for (at, row) in rows.iter().enumerate() {
                    let worth = |coalition| worth_by_definition(&trees, row, coalition, class);
                    // Of two players that count: half alone, half after the other.
                    let first = f64::midpoint(worth(1) - worth(0), worth(3) - worth(2));
                    let second = f64::midpoint(worth(2) - worth(0), worth(3) - worth(1));
                    let expected = [first, second, 0.0, worth(0), worth(7)];
                    let mut actual = explained.contributions[at * 3..at * 3 + 3].to_vec();
                    actual.extend([explained.baselines[at], explained.predictions[at]]);
                    for (actual, expected) in actual.iter().zip(expected) {
                        assert!(
                            (actual - expected).abs() < 1e-12,
                            "{actual} is not {expected}"
                        );
                    }
                }
            }
        }
    }
}
