//! One tree of a random forest, grown depth first.
//!
//! At each node some features are drawn, and as many more until one of them varies; the best split of those is taken,
//! even if it gains nothing, as in scikit-learn.

use std::ops::Range;

use rand::Rng;
use rand_xoshiro::Xoshiro256Plus;

use super::{
    LEAF, Tree,
    bins::{Bins, MISSING},
    candidates::{Candidates, Split},
    impurity::Impurity,
    partition::partition,
};

/// What ends the growth of a tree.
pub(super) struct Limits {
    /// Features drawn at a node.
    pub(super) features: usize,
    pub(super) depth: usize,
    /// The least cover of a leaf.
    pub(super) leaf_cover: f64,
}

pub(super) struct Grower<'a, I: Impurity<W>, const W: usize> {
    bins: &'a Bins,
    impurity: &'a I,
    limits: &'a Limits,
    random: Xoshiro256Plus,
    candidates: Candidates<W>,
    /// All features; those drawn at a node are swapped to the front.
    order: Vec<usize>,
}

/// A node that waits to be grown.
struct Waiting {
    rows: Range<usize>,
    depth: usize,
    /// The node whose right child it is.
    right_of: Option<usize>,
}

impl<'a, I: Impurity<W>, const W: usize> Grower<'a, I, W> {
    pub(super) fn new(
        bins: &'a Bins,
        impurity: &'a I,
        limits: &'a Limits,
        random: Xoshiro256Plus,
    ) -> Self {
        Self {
            bins,
            impurity,
            limits,
            random,
            candidates: Candidates::new(),
            order: (0..bins.features.len()).collect(),
        }
    }

    /// Grows a tree from `rows`.
    pub(super) fn grow(mut self, mut rows: Vec<I::Row>) -> Tree {
        let mut tree = Tree::default();
        let mut aside = rows.clone();
        let mut leaves = 0;
        let mut waiting = vec![Waiting {
            rows: 0..rows.len(),
            depth: 0,
            right_of: None,
        }];
        while let Some(node) = waiting.pop() {
            let at = tree.features.len();
            if let Some(parent) = node.right_of {
                tree.right[parent] = number(at);
            }
            let of_node = &mut rows[node.rows.clone()];
            let mut sums = [0.0; W];
            for row in &*of_node {
                I::add(&mut sums, row);
            }
            tree.covers.push(I::cover(&sums));
            let Some(split) = self.split(of_node, node.depth, &sums) else {
                tree.push(LEAF, 0.0, false, leaves);
                leaves += 1;
                self.impurity.answer(&sums, &mut tree.values);
                continue;
            };
            let middle = node.rows.start + self.divide(&split, of_node, &mut aside);
            let threshold = self.bins.features[split.feature].threshold(split.bin, split.next);
            let feature = u16::try_from(split.feature).unwrap_or(LEAF);
            tree.push(feature, threshold, split.is_missing_left, 0);
            let child = |rows, right_of| Waiting {
                rows,
                depth: node.depth + 1,
                right_of,
            };
            waiting.push(child(middle..node.rows.end, Some(at)));
            waiting.push(child(node.rows.start..middle, None));
        }
        tree
    }

    /// The best split of the features drawn for a node; none if it is to be a leaf.
    fn split(&mut self, rows: &[I::Row], depth: usize, sums: &[f64; W]) -> Option<Split> {
        let is_leaf = depth >= self.limits.depth
            || I::cover(sums) < 2.0 * self.limits.leaf_cover
            || self.impurity.is_pure(rows);
        if is_leaf {
            return None;
        }
        let mut best: Option<Split> = None;
        let mut has_varied = false;
        for drawn in 0..self.order.len() {
            if drawn >= self.limits.features && has_varied {
                break;
            }
            let other = self.random.gen_range(drawn..self.order.len());
            self.order.swap(drawn, other);
            let feature = self.order[drawn];
            let codes = &self.bins.features[feature].codes;
            has_varied |= self.candidates.fill::<I>(rows, codes);
            let least = self.limits.leaf_cover;
            self.candidates
                .improve(self.impurity, feature, sums, least, &mut best);
        }
        best
    }

    fn divide(&self, split: &Split, rows: &mut [I::Row], aside: &mut [I::Row]) -> usize {
        let codes = &self.bins.features[split.feature].codes;
        partition(rows, aside, |row| match codes[I::index(row)] {
            MISSING => split.is_missing_left,
            code => usize::from(code) <= split.bin,
        })
    }
}

impl Tree {
    /// Adds a node, but for its cover and values.
    pub(super) fn push(&mut self, feature: u16, threshold: f64, is_missing_left: bool, right: u32) {
        self.features.push(feature);
        self.thresholds.push(threshold);
        self.missing_left.push(is_missing_left);
        self.right.push(right);
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
