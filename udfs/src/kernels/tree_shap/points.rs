//! The points at which a tree is swept, and what its splits weigh there.

use super::quadrature::gauss_legendre;

/// Points worked on together, at most; more are worked on in several sweeps.
pub(super) const MOST_LANES: usize = 8;

/// A group of quadrature points.
#[derive(Debug)]
pub(super) struct Points {
    /// How many, an even number up to [`MOST_LANES`].
    pub(super) lanes: usize,
    /// The quadrature's weights; shape `[lanes]`.
    pub(super) quadrature: Vec<f64>,
    /// What splits weigh: t of the node's extension, then the factor of its derivative; shape `[n_weights][2][lanes]`.
    pub(super) splits: Vec<f64>,
}

/// The weights of a split on a feature that is new on the path.
pub(super) const WEIGHTS_NEW: u32 = 0;
/// Those of a split on a feature that the row has left the path on: both branches by cover, nothing to add.
pub(super) const WEIGHTS_OFF: u32 = 1;
/// The first of those of the splits on a feature met before.
pub(super) const WEIGHTS_REPEATED: u32 = 2;

/// Groups of points that hold `points` in all; `repeated` has the share of the covers above each split on a feature met
/// before.
pub(super) fn sweeps(points: usize, repeated: &[f64]) -> Vec<Points> {
    let rule = gauss_legendre(points);
    // All groups have the same size, so that they share the working memory.
    let lanes = points.next_multiple_of(2).min(MOST_LANES);
    rule.chunks(MOST_LANES)
        .map(|group| {
            let mut group = group.to_vec();
            // A point without weight adds nothing.
            group.resize(lanes, (0.5, 0.0));
            let shares = repeated.iter().map(|share| Some(*share));
            let weights = [Some(1.0), None].into_iter().chain(shares);
            Points {
                lanes,
                quadrature: group.iter().map(|(_, weight)| *weight).collect(),
                splits: weights.flat_map(|share| split(share, &group)).collect(),
            }
        })
        .collect()
}

/// What a split weighs at each point, whose feature's splits above leave a share of the covers, `None` if it is off.
fn split(share: Option<f64>, points: &[(f64, f64)]) -> Vec<f64> {
    let Some(share) = share else {
        let factors = vec![0.0; points.len()];
        return [vec![1.0; points.len()], factors].concat();
    };
    let weigh = |point: f64| (1.0 - point) * share + point;
    let extension = points
        .iter()
        .map(|(point, _)| (1.0 - point) * share / weigh(*point));
    let derivative = points
        .iter()
        .map(|(point, _)| share / weigh(*point).powi(2));
    extension.chain(derivative).collect()
}
