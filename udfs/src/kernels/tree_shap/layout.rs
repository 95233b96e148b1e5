//! A tree rearranged for sweeping: what is the same for all rows is worked out once.
//!
//! Nodes have places: first the splits with a split below them (inner), parents before children, then the splits into two
//! leaves (outer), then the leaves that hang on inner ones. The root, if it is a split, has place 0.

use super::{
    super::trees::{LEAF, Tree},
    Values,
    points::{Points, WEIGHTS_NEW, WEIGHTS_OFF, WEIGHTS_REPEATED, sweeps},
};

/// A tree as it is swept.
#[derive(Debug)]
pub(super) struct Layout {
    /// Splits with a split below them, parents first; shape `[n_inner]`.
    pub(super) inner: Vec<Split>,
    /// Splits into two leaves, whose children are leaf numbers; shape `[n_outer]`.
    pub(super) outer: Vec<Split>,
    /// The leaf numbers of the places after those; shape `[n_hanging]`.
    pub(super) hanging: Vec<u32>,
    /// The features that the tree splits on, in the order in which they are met.
    pub(super) features: Vec<u16>,
    /// The points of the quadrature, a group for each sweep; none for a tree that is one leaf.
    pub(super) sweeps: Vec<Points>,
    /// The leaf's number if the tree is nothing else.
    only_leaf: Option<u32>,
}

/// A split as it is swept; pairs are of the left and the right child.
#[derive(Debug, Clone, Copy)]
pub(super) struct Split {
    pub(super) threshold: f64,
    /// Each child's share of the covers.
    pub(super) shares: [f64; 2],
    /// The children's places, or leaf numbers.
    pub(super) children: [u32; 2],
    /// Where the turn at the nearest split above on the same feature is found, 0 if there is none.
    above: u32,
    /// The weights to use while the row has followed all splits above on the same feature.
    weights: u32,
    pub(super) feature: u16,
    /// The feature's place in [`Layout::features`].
    pub(super) local: u16,
    /// The turn there that leads on to this one, 0 if there is none above.
    above_side: u8,
    missing_left: bool,
}

const NONE: u32 = u32::MAX;

/// What a row does at a split: the lowest bit is 0 if it goes left and 1 if right, the next is set if it has left an earlier
/// split on the same feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn(u8);

impl Turn {
    /// The turn before the root: what splits on a new feature find above.
    pub(super) const START: Self = Self(0);

    /// The side that the row takes and the other one.
    #[inline]
    pub(super) fn sides(self) -> (usize, usize) {
        let own = usize::from(self.0 & 1);
        (own, 1 - own)
    }

    /// The weights of a split.
    #[inline]
    pub(super) fn weights(self, split: &Split) -> usize {
        (if self.0 > 1 {
            WEIGHTS_OFF
        } else {
            split.weights
        }) as usize
    }
}

impl Split {
    /// What a row does here after `turns`: [`Turn::START`], then one for each inner split before.
    #[inline]
    pub(super) fn turn(&self, row: &[f64], turns: &[Turn]) -> Turn {
        let value = row[usize::from(self.feature)];
        // Without branches, which nothing could predict.
        let is_left = (value <= self.threshold) | (self.missing_left & value.is_nan());
        let is_off = turns[self.above as usize].0 != self.above_side;
        Turn(u8::from(!is_left) | (u8::from(is_off) << 1))
    }
}

impl Layout {
    pub(super) fn new(tree: &Tree) -> Self {
        Builder::new(tree).build()
    }

    /// How many places there are.
    pub(super) fn places(&self) -> usize {
        self.inner.len() + self.outer.len() + self.hanging.len()
    }

    /// The tree's mean answer over the covers.
    pub(super) fn baseline(&self, values: &Values) -> f64 {
        if let Some(leaf) = self.only_leaf {
            return values.of(leaf as usize);
        }
        let mean = |split: &Split, children: [f64; 2]| {
            split.shares[0] * children[0] + split.shares[1] * children[1]
        };
        let mut means = vec![0.0; self.inner.len()];
        let outer = self.outer.iter();
        means.extend(
            outer.map(|split| mean(split, split.children.map(|leaf| values.of(leaf as usize)))),
        );
        means.extend(self.hanging.iter().map(|leaf| values.of(*leaf as usize)));
        for (place, split) in self.inner.iter().enumerate().rev() {
            means[place] = mean(split, split.children.map(|child| means[child as usize]));
        }
        means[0]
    }
}

/// A layout in the making.
struct Builder<'a> {
    tree: &'a Tree,
    /// The node after the last one below each; shape `[n_nodes]`.
    ends: Vec<usize>,
    /// Each node's place, [`NONE`] for a leaf below an outer split; shape `[n_nodes]`.
    places: Vec<u32>,
    layout: Layout,
    /// The splits above the node at hand.
    path: Vec<Step>,
    /// Of each split on a feature met before, the share of the covers that the splits above on it leave.
    repeated: Vec<f64>,
}

struct Step {
    feature: u16,
    place: u32,
    /// The right child, and the node after the last one below.
    right: usize,
    end: usize,
    shares: [f64; 2],
    share_above: f64,
    /// How many different features there are on the path, this one's included.
    distinct: usize,
}

impl<'a> Builder<'a> {
    fn new(tree: &'a Tree) -> Self {
        let nodes = tree.features.len();
        let mut ends = vec![0; nodes];
        for node in (0..nodes).rev() {
            ends[node] = match tree.features[node] {
                LEAF => node + 1,
                _ => ends[tree.right[node] as usize],
            };
        }
        Self {
            tree,
            ends,
            places: vec![NONE; nodes],
            layout: Layout {
                inner: vec![],
                outer: vec![],
                hanging: vec![],
                features: vec![],
                sweeps: vec![],
                only_leaf: is_leaf(tree, 0).then(|| tree.right[0]),
            },
            path: vec![],
            repeated: vec![],
        }
    }

    fn build(mut self) -> Layout {
        self.find_places();
        let mut most_distinct = 0;
        for node in 0..self.tree.features.len() {
            while self.path.last().is_some_and(|step| step.end <= node) {
                self.path.pop();
            }
            if !is_leaf(self.tree, node) {
                self.add(node);
                most_distinct = self
                    .path
                    .last()
                    .map_or(0, |step| step.distinct)
                    .max(most_distinct);
            }
        }
        self.layout.sweeps = sweeps(most_distinct.div_ceil(2), &self.repeated);
        self.layout
    }

    fn find_places(&mut self) {
        let tree = self.tree;
        let nodes = 0..tree.features.len();
        let is_inner = |node: usize| !is_leaf(tree, node) && !is_outer(tree, node);
        let inner = nodes.clone().filter(|node| is_inner(*node));
        let outer = nodes.clone().filter(|node| is_outer(tree, *node));
        let children = |node| [node + 1, tree.right[node] as usize];
        let hanging = nodes.filter(|node| is_inner(*node)).flat_map(children);
        let hanging: Vec<usize> = hanging.filter(|node| is_leaf(tree, *node)).collect();
        for (place, node) in (0..).zip(inner.chain(outer).chain(hanging.iter().copied())) {
            self.places[node] = place;
        }
        self.layout.hanging = hanging.into_iter().map(|node| tree.right[node]).collect();
    }

    /// Adds a split to the layout and to the path.
    fn add(&mut self, node: usize) {
        let tree = self.tree;
        let feature = tree.features[node];
        let above = self.path.iter().rev().find(|step| step.feature == feature);
        let (above, above_side, share_above) = match above {
            Some(step) => {
                let side = usize::from(node >= step.right);
                (step.place, side, step.share_above * step.shares[side])
            }
            None => (NONE, 0, 1.0),
        };
        let children = [node + 1, tree.right[node] as usize];
        let [left, right] = children.map(|child| tree.covers[child]);
        let shares = [left / (left + right), right / (left + right)];
        let split = Split {
            threshold: tree.thresholds[node],
            shares,
            children: children.map(|child| match self.places[child] {
                NONE => tree.right[child],
                place => place,
            }),
            above: if above == NONE { 0 } else { above + 1 },
            weights: if above == NONE {
                WEIGHTS_NEW
            } else {
                self.repeat(share_above)
            },
            feature,
            local: self.local(feature),
            above_side: u8::from(above_side == 1),
            missing_left: tree.missing_left[node],
        };
        let before = self.path.last().map_or(0, |step| step.distinct);
        self.path.push(Step {
            feature,
            place: self.places[node],
            right: children[1],
            end: self.ends[node],
            shares,
            share_above,
            distinct: before + usize::from(above == NONE),
        });
        if is_outer(tree, node) {
            self.layout.outer.push(split);
        } else {
            self.layout.inner.push(split);
        }
    }

    /// The weights of a split on a feature met before.
    fn repeat(&mut self, share_above: f64) -> u32 {
        self.repeated.push(share_above);
        let before = u32::try_from(self.repeated.len() - 1).unwrap_or(NONE);
        WEIGHTS_REPEATED + before
    }

    fn local(&mut self, feature: u16) -> u16 {
        let features = &mut self.layout.features;
        let known = features.iter().position(|known| *known == feature);
        let local = known.unwrap_or_else(|| {
            features.push(feature);
            features.len() - 1
        });
        u16::try_from(local).unwrap_or(LEAF)
    }
}

fn is_leaf(tree: &Tree, node: usize) -> bool {
    tree.features[node] == LEAF
}

/// Whether a node splits into two leaves.
fn is_outer(tree: &Tree, node: usize) -> bool {
    !is_leaf(tree, node) && is_leaf(tree, node + 1) && is_leaf(tree, tree.right[node] as usize)
}
