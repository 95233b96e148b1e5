//! Shapley values of trees: exact, path-dependent, by Gauss-Legendre quadrature.
//!
//! The game is that of `shap.TreeExplainer` without background data (Lundberg et al., "From local explanations to global
//! understanding with explainable AI for trees" (2020), doi:10.1038/s42256-019-0138-9, algorithm 1): of a feature outside
//! the coalition both branches are taken, in proportion to the training rows that took them. A Shapley value is the
//! integral over p in 0..1 of the derivative of the game's multilinear extension, in which each feature joins with
//! probability p (Owen, "Multilinear Extensions of Games" (1972), doi:10.1287/mnsc.18.5.64). Along a path with d features
//! the derivative is a polynomial of degree d - 1 in p, so ceil(d / 2) points of Gauss and Legendre give it exactly, however
//! deep the tree (Wettenstein, Mitchell, Yu, "Quadrature-TreeSHAP" (2026), arXiv:2605.04497).
//!
//! At a point p a node's extension is `H = t E + (1 - t) O`, where E is the mean of its children's by cover and O that of
//! the child that the row takes. If the node's feature is new on the path, t is 1 - p. If the row has followed all splits
//! on it above, which leave the share z of the covers, t = (1 - p) z / ((1 - p) z + p); if it has left one of them, t = 1.
//! The node adds `P z (O - E) / ((1 - p) z + p)²` to its feature's integrand, P being the product of what the path to it
//! weighs. We differ from the paper in these recurrences, which need no division while rows are explained.

mod layout;
mod points;
mod quadrature;
mod sweep;

use rayon::prelude::*;

use super::trees::{Combination, Tree, Trees};
use layout::Layout;
use sweep::Sweep;

/// Rows explained together: enough that a tree stays in the second-level cache, few enough to share out.
const BLOCK_ROWS: usize = 64;

/// Trees laid out at a time: layouts are several times as large as the trees.
const TREES_AT_A_TIME: usize = 16;

/// Divides the predictions of trees over the features.
#[derive(Debug)]
pub struct TreeExplainer<'a> {
    trees: &'a Trees,
    n_features: usize,
}

/// Explained predictions: for each row `baseline + Σ contribution = prediction`, up to rounding.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TreeExplanations {
    /// What each feature adds; shape `[n_rows * n_features]`, row by row.
    pub contributions: Vec<f64>,
    /// The mean answer over the training rows, as the trees' covers count them; shape `[n_rows]`.
    pub baselines: Vec<f64>,
    /// What the trees answer, computed by walking them; shape `[n_rows]`.
    pub predictions: Vec<f64>,
}

/// Blocks of rows, one after the other.
impl FromIterator<TreeExplanations> for TreeExplanations {
    fn from_iter<I: IntoIterator<Item = Self>>(blocks: I) -> Self {
        let mut all = Self::default();
        for block in blocks {
            all.contributions.extend(block.contributions);
            all.baselines.extend(block.baselines);
            all.predictions.extend(block.predictions);
        }
        all
    }
}

impl<'a> TreeExplainer<'a> {
    /// An explainer of rows of `n_features` features.
    #[must_use]
    pub fn new(trees: &'a Trees, n_features: usize) -> Self {
        Self { trees, n_features }
    }

    /// Explains each row's answer for its class (0 where a number is predicted): a mean's probability or number, a sum's
    /// log-odds, score before the softmax or number. Missing values are NaN. Columns have the shape
    /// `[n_features][n_rows]`, classes `[n_rows]`.
    #[must_use]
    pub fn explain(&self, columns: &[&[f64]], classes: &[usize]) -> TreeExplanations {
        let mut blocks: Vec<Block> = classes
            .par_chunks(BLOCK_ROWS)
            .enumerate()
            .map(|(block, classes)| Block::new(self.trees, columns, block * BLOCK_ROWS, classes))
            .collect();
        for (group, trees) in self.trees.trees.chunks(TREES_AT_A_TIME).enumerate() {
            let layouts: Vec<Layout> = trees.par_iter().map(Layout::new).collect();
            blocks.par_iter_mut().for_each(|block| {
                let mut sweep = Sweep::default();
                for (at, (tree, layout)) in trees.iter().zip(&layouts).enumerate() {
                    self.explain_tree(
                        group * TREES_AT_A_TIME + at,
                        tree,
                        layout,
                        &mut sweep,
                        block,
                    );
                }
            });
        }
        blocks.into_iter().map(|block| block.explained).collect()
    }

    /// Adds one tree's part to the explanations of a block of rows.
    fn explain_tree(
        &self,
        at: usize,
        tree: &Tree,
        layout: &Layout,
        sweep: &mut Sweep,
        block: &mut Block,
    ) {
        for (answer, rows_of_answer) in self.answers_of_tree(at, &block.outputs) {
            let values = Values {
                tree,
                width: self.width(),
                answer,
            };
            sweep.prepare(layout, &values);
            let baseline = layout.baseline(&values);
            let explained = &mut block.explained;
            for row in rows_of_answer {
                let features = row * self.n_features..(row + 1) * self.n_features;
                let scale = block.outputs[row].scale;
                let given = &block.rows[features.clone()];
                sweep.explain(layout, given, scale, &mut explained.contributions[features]);
                explained.baselines[row] += scale * baseline;
                explained.predictions[row] += scale * values.of(tree.leaf(given));
            }
        }
    }

    /// Which of a tree's answers are asked for, each with the rows that ask.
    fn answers_of_tree(&self, tree: usize, outputs: &[Output]) -> Vec<(usize, Vec<usize>)> {
        let n_outputs = self.trees.base.len();
        let asking = |wanted: usize| -> Vec<usize> {
            let rows = outputs.iter().enumerate();
            rows.filter(|(_, output)| output.index == wanted)
                .map(|(row, _)| row)
                .collect()
        };
        let answers = match self.trees.combination {
            Combination::Mean => (0..n_outputs).map(|index| (index, asking(index))).collect(),
            Combination::Sum => vec![(0, asking(tree % n_outputs))],
        };
        let asked_for = answers.into_iter();
        asked_for.filter(|(_, rows)| !rows.is_empty()).collect()
    }

    fn width(&self) -> usize {
        match self.trees.combination {
            Combination::Mean => self.trees.base.len(),
            Combination::Sum => 1,
        }
    }
}

/// Rows on their way to explanations.
struct Block {
    /// Shape `[n_rows * n_features]`.
    rows: Vec<f64>,
    outputs: Vec<Output>,
    explained: TreeExplanations,
}

impl Block {
    fn new(trees: &Trees, columns: &[&[f64]], from: usize, classes: &[usize]) -> Self {
        let rows: Vec<f64> = (from..from + classes.len())
            .flat_map(|row| columns.iter().map(move |column| column[row]))
            .collect();
        let outputs: Vec<Output> = classes
            .iter()
            .map(|class| Output::of(trees, *class))
            .collect();
        let starts: Vec<f64> = outputs.iter().map(|output| output.start).collect();
        Self {
            explained: TreeExplanations {
                contributions: vec![0.0; rows.len()],
                baselines: starts.clone(),
                predictions: starts,
            },
            rows,
            outputs,
        }
    }
}

/// How a class's answer comes from the trees: `start + scale · Σ trees`.
#[derive(Debug, Clone, Copy)]
struct Output {
    index: usize,
    start: f64,
    scale: f64,
}

impl Output {
    /// Of two classes the trees answer for the second; the first has the rest of the probability, or the negative margin.
    fn of(trees: &Trees, class: usize) -> Self {
        let is_first_of_two = trees.classes.len() == 2 && class == 0;
        let index = if trees.base.len() == 1 { 0 } else { class };
        let sign = if is_first_of_two { -1.0 } else { 1.0 };
        match trees.combination {
            Combination::Mean => Self {
                index,
                start: if is_first_of_two { 1.0 } else { 0.0 },
                scale: sign / count(trees.trees.len()),
            },
            Combination::Sum => Self {
                index,
                start: sign * trees.base[index],
                scale: sign,
            },
        }
    }
}

/// One answer of each leaf of a tree.
#[derive(Debug, Clone, Copy)]
struct Values<'a> {
    tree: &'a Tree,
    width: usize,
    answer: usize,
}

impl Values<'_> {
    fn of(&self, leaf: usize) -> f64 {
        self.tree.values[leaf * self.width + self.answer]
    }
}

#[expect(clippy::cast_precision_loss, reason = "a number of trees")]
fn count(trees: usize) -> f64 {
    trees as f64
}

#[cfg(test)]
mod tests;
