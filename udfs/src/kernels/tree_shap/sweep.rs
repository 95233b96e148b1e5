//! One row's Shapley values in one tree: down to weigh the paths, up to combine what is below.

use super::{
    Values,
    layout::{Layout, Split, Turn},
    points::{MOST_LANES, Points},
};

/// The working memory of sweeps, kept between rows and trees.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// P of each place at each point; shape `[n_places][lanes]`.
    paths: Vec<f64>,
    /// H of each place at each point, that of hanging leaves set by [`Sweep::prepare`]; shape `[n_places][lanes]`.
    extensions: Vec<f64>,
    /// The start, then what the row does at each inner split; shape `[1 + n_inner]`.
    turns: Vec<Turn>,
    /// The answers of each outer split's leaves; shape `[n_outer]`.
    answers: Vec<[f64; 2]>,
    /// Each feature's integrand at each point; shape `[n_features of the tree][lanes]`.
    integrands: Vec<f64>,
}

impl Sweep {
    /// Sets one answer of a tree's leaves, for the rows that follow.
    pub(super) fn prepare(&mut self, layout: &Layout, values: &Values) {
        let lanes = layout.sweeps.first().map_or(0, |points| points.lanes);
        self.turns.resize(layout.inner.len() + 1, Turn::START);
        self.paths.resize(layout.places() * lanes, 0.0);
        self.extensions.clear();
        self.extensions
            .resize((layout.inner.len() + layout.outer.len()) * lanes, 0.0);
        let hanging = layout.hanging.iter();
        self.extensions
            .extend(hanging.flat_map(|leaf| std::iter::repeat_n(values.of(*leaf as usize), lanes)));
        let outer = layout.outer.iter();
        self.answers.clear();
        self.answers
            .extend(outer.map(|split| split.children.map(|leaf| values.of(leaf as usize))));
    }

    /// Adds `scale` times the row's Shapley values in the prepared tree.
    pub(super) fn explain(
        &mut self,
        layout: &Layout,
        row: &[f64],
        scale: f64,
        contributions: &mut [f64],
    ) {
        self.turns[0] = Turn::START;
        for (place, split) in layout.inner.iter().enumerate() {
            self.turns[place + 1] = split.turn(row, &self.turns);
        }
        for points in &layout.sweeps {
            match points.lanes {
                2 => self.sweep::<2>(layout, points, row),
                4 => self.sweep::<4>(layout, points, row),
                6 => self.sweep::<6>(layout, points, row),
                _ => self.sweep::<MOST_LANES>(layout, points, row),
            }
            let integrands = self.integrands.chunks_exact(points.lanes);
            for (feature, integrand) in layout.features.iter().zip(integrands) {
                let pairs = integrand.iter().zip(&points.quadrature);
                let integral: f64 = pairs.map(|(value, weight)| value * weight).sum();
                contributions[usize::from(*feature)] += scale * integral;
            }
        }
    }

    fn sweep<const LANES: usize>(&mut self, layout: &Layout, points: &Points, row: &[f64]) {
        self.integrands.clear();
        self.integrands.resize(layout.features.len() * LANES, 0.0);
        let weights = points.splits.as_chunks::<LANES>().0.as_chunks::<2>().0;
        let mut state = State {
            paths: self.paths.as_chunks_mut::<LANES>().0,
            extensions: self.extensions.as_chunks_mut::<LANES>().0,
            integrands: self.integrands.as_chunks_mut::<LANES>().0,
        };
        state.paths[0] = [1.0; LANES];
        for (place, (split, turn)) in layout.inner.iter().zip(&self.turns[1..]).enumerate() {
            state.go_down(place, split, *turn, weights);
        }
        let outer = layout.outer.iter().zip(&self.answers);
        for (place, (split, answers)) in (layout.inner.len()..).zip(outer) {
            let turn = split.turn(row, &self.turns);
            state.answer(place, split, turn, *answers, weights);
        }
        let inner = layout.inner.iter().zip(&self.turns[1..]).enumerate();
        for (place, (split, turn)) in inner.rev() {
            state.come_up(place, split, *turn, weights);
        }
    }
}

/// What splits weigh at the points, as in [`Points`].
type Weights<const LANES: usize> = [[[f64; LANES]; 2]];

/// The working memory of one sweep.
struct State<'a, const LANES: usize> {
    paths: &'a mut [[f64; LANES]],
    extensions: &'a mut [[f64; LANES]],
    integrands: &'a mut [[f64; LANES]],
}

impl<const LANES: usize> State<'_, LANES> {
    /// Weighs the paths to the children: the other one's has `t` times its share of the covers, the own one's the rest.
    #[inline]
    fn go_down(&mut self, place: usize, split: &Split, turn: Turn, weights: &Weights<LANES>) {
        let (own, other) = turn.sides();
        let [extension, _] = &weights[turn.weights(split)];
        let share = split.shares[other];
        let path = self.paths[place];
        let beside: [f64; LANES] = std::array::from_fn(|lane| path[lane] * extension[lane] * share);
        self.paths[split.children[other] as usize] = beside;
        self.paths[split.children[own] as usize] =
            std::array::from_fn(|lane| path[lane] - beside[lane]);
    }

    /// Combines two leaves: `O` and `E - O` make the place's extension `O + t (E - O)` and its feature's derivative.
    #[inline]
    fn answer(
        &mut self,
        place: usize,
        split: &Split,
        turn: Turn,
        answers: [f64; 2],
        weights: &Weights<LANES>,
    ) {
        let (own, other) = turn.sides();
        let [extension, derivative] = &weights[turn.weights(split)];
        let change = split.shares[other] * (answers[other] - answers[own]);
        let path = &self.paths[place];
        let integrand = &mut self.integrands[usize::from(split.local)];
        for lane in 0..LANES {
            integrand[lane] -= path[lane] * derivative[lane] * change;
        }
        self.extensions[place] =
            std::array::from_fn(|lane| answers[own] + extension[lane] * change);
    }

    /// Combines what is below the two children, the same way.
    #[inline]
    fn come_up(&mut self, place: usize, split: &Split, turn: Turn, weights: &Weights<LANES>) {
        let (own, other) = turn.sides();
        let [extension, derivative] = &weights[turn.weights(split)];
        let share = split.shares[other];
        let beside = &self.extensions[split.children[other] as usize];
        let own = self.extensions[split.children[own] as usize];
        let change: [f64; LANES] = std::array::from_fn(|lane| share * (beside[lane] - own[lane]));
        let path = &self.paths[place];
        let integrand = &mut self.integrands[usize::from(split.local)];
        for lane in 0..LANES {
            integrand[lane] -= path[lane] * derivative[lane] * change[lane];
        }
        self.extensions[place] =
            std::array::from_fn(|lane| own[lane] + extension[lane] * change[lane]);
    }
}
