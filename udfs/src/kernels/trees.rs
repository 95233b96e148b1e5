//! Decision trees as they are kept and walked: forests and boosted trees, of classes or of a number.
//!
//! A row takes the left branch where `value <= threshold`; a missing value (NaN) takes the branch that the node learned
//! for it. Covers are counts of training rows, as in scikit-learn and LightGBM.

use serde::{Deserialize, Serialize};

mod bins;
mod boosted_tree;
pub mod boosting;
mod candidates;
mod compact;
pub mod forest;
mod forest_tree;
mod impurity;
mod loss;
mod partition;
pub mod predict;
mod sums;
mod target;
mod walk;

pub use target::Target;

/// What a node that splits on nothing has for a feature.
pub const LEAF: u16 = u16::MAX;

/// One binary tree, its nodes in depth-first order: the left child of node `i` is node `i + 1`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    /// The feature that each node splits on, [`LEAF`] at a leaf; shape `[n_nodes]`.
    pub features: Vec<u16>,
    /// The largest value that goes left, 0 at a leaf; shape `[n_nodes]`.
    pub thresholds: Vec<f64>,
    /// Whether a missing value goes left; shape `[n_nodes]`.
    pub missing_left: Vec<bool>,
    /// The right child, at a leaf the leaf's number; shape `[n_nodes]`.
    pub right: Vec<u32>,
    /// Training rows that reached each node, a row drawn twice counting twice; shape `[n_nodes]`.
    pub covers: Vec<f64>,
    /// What each leaf answers; shape `[n_leaves * width]`, leaf by leaf.
    pub values: Vec<f64>,
}

/// How the answers of trees become one.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Combination {
    /// A forest: the mean of all trees, each of width `n_outputs`: probabilities, or the number itself.
    Mean,
    /// Boosting: `base` plus the sum of the trees, each of width 1, tree `i` adding to output `i % n_outputs`: log-odds,
    /// scores before a softmax, or the number itself.
    Sum,
}

/// Trees that answer together.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Trees {
    /// Class labels, at least two, in a binary model `classes[1]` the positive one; empty if a number is predicted.
    pub classes: Vec<String>,
    /// How the trees' answers become one.
    pub combination: Combination,
    /// Where the sum starts, zeros for a mean; shape `[n_outputs]`: one for two classes (the positive one's) or a number,
    /// else one for each class.
    pub base: Vec<f64>,
    /// The trees, in the order in which they were grown.
    pub trees: Vec<Tree>,
}
