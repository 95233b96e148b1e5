//! One tree of boosting, grown leaf by leaf: the leaf that gains most is split next (Ke et al. 2017, LightGBM,
//! <https://proceedings.neurips.cc/paper/6907>).
//!
//! Of two children the smaller is summed up from its rows, the larger is what is left of the parent. Features are worked
//! on at the same time, each by one thread in the order of the rows, so that no sum depends on the threads.

use std::ops::Range;

use rayon::prelude::*;

use super::{
    LEAF, Tree,
    bins::{Bins, CODES, FeatureBins, MISSING},
    loss::Slope,
    partition::partition,
    sums::{Cells, Limits, Split, Sums, best_split},
};

/// With fewer cells to add to, several threads take longer than one.
const PARALLEL_FROM: usize = 1 << 15;

/// Grows one tree after another from the same rows.
pub(super) struct Grower<'a> {
    bins: &'a Bins,
    limits: Limits,
    /// All rows, those of a leaf side by side.
    rows: Vec<u32>,
    aside: Vec<u32>,
    /// The slopes of the rows that are being summed up, in their order.
    slopes: Vec<Slope>,
    /// Histograms that no leaf uses.
    spare: Vec<Histogram>,
}

/// The cells of each feature.
type Histogram = Vec<Cells>;

struct Node {
    rows: Range<usize>,
    depth: usize,
    sums: Sums,
    /// Empty for a node that will not be split.
    histogram: Histogram,
    split: Option<Split>,
    children: Option<(usize, usize)>,
}

impl<'a> Grower<'a> {
    pub(super) fn new(bins: &'a Bins, limits: Limits) -> Self {
        Self {
            bins,
            limits,
            rows: vec![0; bins.rows],
            aside: vec![0; bins.rows],
            slopes: Vec::with_capacity(bins.rows),
            spare: Vec::new(),
        }
    }

    /// Grows a tree whose answers are multiplied by `rate`, a single leaf if nothing is to be gained, and tells `answer`
    /// each leaf's rows and what it says of them.
    pub(super) fn grow(
        &mut self,
        slopes: &[Slope],
        rate: f64,
        mut answer: impl FnMut(&[u32], f64),
    ) -> Tree {
        self.rows
            .iter_mut()
            .zip(0..)
            .for_each(|(row, at)| *row = at);
        let mut nodes = vec![self.root(slopes)];
        for leaves in 1..self.limits.leaves {
            let Some((best, split)) = best_leaf(&nodes) else {
                break;
            };
            let is_last = leaves + 1 == self.limits.leaves;
            let histogram = std::mem::take(&mut nodes[best].histogram);
            let (left, right) = self.split(&nodes[best], histogram, &split, slopes, is_last);
            nodes[best].children = Some((nodes.len(), nodes.len() + 1));
            nodes.extend([left, right]);
        }
        let tree = self.tree(&nodes, rate);
        for node in nodes {
            if node.children.is_none() {
                answer(
                    &self.rows[node.rows],
                    rate * node.sums.answer(self.limits.l2),
                );
            }
            if !node.histogram.is_empty() {
                self.spare.push(node.histogram);
            }
        }
        tree
    }

    fn root(&mut self, slopes: &[Slope]) -> Node {
        let mut histogram = self.spare();
        fill(&mut histogram, &self.bins.features, &self.rows, slopes);
        let mut sums = Sums::default();
        let first = histogram.iter().take(1).flatten();
        first.for_each(|cell| sums.add(cell));
        let mut root = Node {
            rows: 0..self.rows.len(),
            depth: 0,
            sums,
            histogram,
            split: None,
            children: None,
        };
        root.split = self.best_split(&root);
        root
    }

    /// The children of a node; the last that are made need no histograms, as they are not split.
    fn split(
        &mut self,
        node: &Node,
        mut histogram: Histogram,
        split: &Split,
        slopes: &[Slope],
        is_last: bool,
    ) -> (Node, Node) {
        let codes = &self.bins.features[split.feature].codes;
        let rows = &mut self.rows[node.rows.clone()];
        let left = partition(rows, &mut self.aside, |row| match codes[*row as usize] {
            MISSING => split.is_missing_left,
            code => usize::from(code) <= split.bin,
        });
        let middle = node.rows.start + left;
        let child = |rows, sums| Node {
            rows,
            depth: node.depth + 1,
            sums,
            histogram: Histogram::new(),
            split: None,
            children: None,
        };
        let mut left = child(node.rows.start..middle, split.left);
        let mut right = child(middle..node.rows.end, node.sums.minus(&split.left));
        if is_last || !(self.can_split(&left) || self.can_split(&right)) {
            self.spare.push(histogram);
            return (left, right);
        }
        let (smaller, larger) = if left.rows.len() <= right.rows.len() {
            (&mut left, &mut right)
        } else {
            (&mut right, &mut left)
        };
        let mut of_smaller = self.spare();
        let rows = &self.rows[smaller.rows.clone()];
        gather(&mut self.slopes, rows, slopes);
        fill(&mut of_smaller, &self.bins.features, rows, &self.slopes);
        subtract(&mut histogram, &of_smaller);
        (smaller.histogram, larger.histogram) = (of_smaller, histogram);
        left.split = self.best_split(&left);
        right.split = self.best_split(&right);
        (left, right)
    }

    fn can_split(&self, node: &Node) -> bool {
        node.depth < self.limits.depth && node.sums.rows >= 2.0 * self.limits.leaf_rows
    }

    /// The best split of a node by any feature, the first of equals.
    fn best_split(&self, node: &Node) -> Option<Split> {
        if !self.can_split(node) {
            return None;
        }
        let features = self.bins.features.iter().zip(&node.histogram).enumerate();
        let splits = features.filter_map(|(feature, (bins, cells))| {
            best_split(cells, bins.len(), feature, &node.sums, &self.limits)
        });
        splits.reduce(|best, split| if split.gain > best.gain { split } else { best })
    }

    fn spare(&mut self) -> Histogram {
        let empty = || vec![[Sums::default(); CODES]; self.bins.features.len()];
        self.spare.pop().unwrap_or_else(empty)
    }

    /// The nodes in depth-first order.
    fn tree(&self, nodes: &[Node], rate: f64) -> Tree {
        let mut tree = Tree::default();
        let mut waiting = vec![(0, None)];
        while let Some((at, right_of)) = waiting.pop() {
            let node: &Node = &nodes[at];
            if let Some(parent) = right_of {
                tree.right[parent] = number(tree.features.len());
            }
            tree.covers.push(node.sums.rows);
            let (Some(split), Some((left, right))) = (&node.split, node.children) else {
                tree.push(LEAF, 0.0, false, number(tree.values.len()));
                tree.values.push(rate * node.sums.answer(self.limits.l2));
                continue;
            };
            waiting.push((right, Some(tree.features.len())));
            waiting.push((left, None));
            let bins = &self.bins.features[split.feature];
            let next = Some(split.bin + 1).filter(|next| *next < bins.len());
            let feature = u16::try_from(split.feature).unwrap_or(LEAF);
            let threshold = bins.threshold(split.bin, next);
            tree.push(feature, threshold, split.is_missing_left, 0);
        }
        tree
    }
}

/// The leaf with the greatest gain, the first of equals.
fn best_leaf(nodes: &[Node]) -> Option<(usize, Split)> {
    let leaves = nodes.iter().enumerate();
    let leaves = leaves.filter(|(_, node)| node.children.is_none());
    let splits = leaves.filter_map(|(at, node)| Some((at, node.split?)));
    splits.reduce(|best, leaf| {
        if leaf.1.gain > best.1.gain {
            leaf
        } else {
            best
        }
    })
}

/// Sums up `rows`, whose slopes stand in the same order, by every feature.
fn fill(histogram: &mut Histogram, features: &[FeatureBins], rows: &[u32], slopes: &[Slope]) {
    let one = |(cells, feature): (&mut Cells, &FeatureBins)| {
        *cells = [Sums::default(); CODES];
        for (row, slope) in rows.iter().zip(slopes) {
            let cell = &mut cells[usize::from(feature.codes[*row as usize])];
            cell.gradient += slope[0];
            cell.hessian += slope[1];
            cell.rows += 1.0;
        }
    };
    if rows.len() * features.len() < PARALLEL_FROM {
        histogram.iter_mut().zip(features).for_each(one);
    } else {
        histogram.par_iter_mut().zip(features).for_each(one);
    }
}

/// Leaves what is not in `part`.
fn subtract(histogram: &mut Histogram, part: &Histogram) {
    for (cells, part) in histogram.iter_mut().zip(part) {
        for (cell, part) in cells.iter_mut().zip(part) {
            *cell = cell.minus(part);
        }
    }
}

/// The slopes of `rows`, side by side.
fn gather(into: &mut Vec<Slope>, rows: &[u32], slopes: &[Slope]) {
    let of_row = |row: &u32| slopes[*row as usize];
    if rows.len() < PARALLEL_FROM {
        into.clear();
        into.extend(rows.iter().map(of_row));
    } else {
        rows.par_iter()
            .with_min_len(PARALLEL_FROM / 4)
            .map(of_row)
            .collect_into_vec(into);
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
