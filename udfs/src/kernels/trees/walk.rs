//! Many rows through one tree, eight at a time.
//!
//! A step of a row waits for the step before; eight rows that take their steps in turn fill that time. A row that has
//! arrived steps on the spot until the last one has.

use super::{LEAF, Tree};

/// Rows that walk together.
pub(super) const LANES: usize = 8;

/// A tree whose nodes have all of theirs in one place.
#[derive(Default)]
pub(super) struct Walk {
    nodes: Vec<Node>,
}

#[derive(Clone, Copy)]
struct Node {
    threshold: f64,
    feature: u16,
    is_missing_left: bool,
    is_leaf: bool,
    /// The left child, then the right; at a leaf the node itself.
    children: [u32; 2],
}

impl Walk {
    /// Makes this a walk through `tree`.
    pub(super) fn set(&mut self, tree: &Tree) {
        self.nodes.clear();
        let nodes = tree.features.iter().zip(&tree.thresholds);
        let nodes = nodes.zip(tree.missing_left.iter().zip(&tree.right));
        for (at, ((feature, threshold), (is_missing_left, right))) in (0_u32..).zip(nodes) {
            let is_leaf = *feature == LEAF;
            self.nodes.push(Node {
                threshold: *threshold,
                feature: if is_leaf { 0 } else { *feature },
                is_missing_left: *is_missing_left,
                is_leaf,
                children: if is_leaf { [at; 2] } else { [at + 1, *right] },
            });
        }
    }

    /// The nodes where eight rows `[LANES * n_features]` arrive.
    pub(super) fn arrivals(&self, rows: &[f64], n_features: usize) -> [usize; LANES] {
        let mut at = [0; LANES];
        loop {
            let mut have_arrived = true;
            for (at, row) in at.iter_mut().zip(rows.chunks_exact(n_features)) {
                let node = &self.nodes[*at];
                let value = row[usize::from(node.feature)];
                let is_left = (value <= node.threshold) | (value.is_nan() & node.is_missing_left);
                *at = node.children[usize::from(!is_left)] as usize;
                have_arrived &= node.is_leaf;
            }
            if have_arrived {
                return at;
            }
        }
    }
}
