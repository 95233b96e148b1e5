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
    /// What the row does at each inner split; shape `[n_inner]`.
    turns: Vec<Turn>,
    /// Which way it has taken there, as splits below ask; shape `[n_inner]`.
    taken: Vec<u8>,
    /// The answers of each outer split's leaves; shape `[n_outer]`.
    answers: Vec<[f64; 2]>,
    /// Each feature's integrand at each point; shape `[n_features of the tree][lanes]`.
    integrands: Vec<f64>,
}

impl Sweep {
    /// Sets one answer of a tree's leaves, for the rows that follow.
    pub(super) fn prepare(&mut self, layout: &Layout, values: &Values) {
        let lanes = layout.sweeps.first().map_or(0, |points| points.lanes);
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
        self.turns.clear();
        self.taken.clear();
        for split in &layout.inner {
            let turn = split.turn(row, &self.taken);
            self.taken.push(turn.taken);
            self.turns.push(turn);
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
        let weights = points.splits.as_chunks::<LANES>().0;
        let mut state = State {
            paths: self.paths.as_chunks_mut::<LANES>().0,
            extensions: self.extensions.as_chunks_mut::<LANES>().0,
            integrands: self.integrands.as_chunks_mut::<LANES>().0,
        };
        state.paths[0] = [1.0; LANES];
        for (place, (split, turn)) in layout.inner.iter().zip(&self.turns).enumerate() {
            state.go_down(place, split, *turn, weights);
        }
        let outer = layout.outer.iter().zip(&self.answers);
        for (place, (split, answers)) in (layout.inner.len()..).zip(outer) {
            let turn = split.turn(row, &self.taken);
            state.answer(place, split, turn, *answers, weights);
        }
        let inner = layout.inner.iter().zip(&self.turns).enumerate();
        for (place, (split, turn)) in inner.rev() {
            state.come_up(place, split, *turn, weights);
        }
    }
}

/// The working memory of one sweep.
struct State<'a, const LANES: usize> {
    paths: &'a mut [[f64; LANES]],
    extensions: &'a mut [[f64; LANES]],
    integrands: &'a mut [[f64; LANES]],
}

impl<const LANES: usize> State<'_, LANES> {
    /// Weighs the paths to the children: the other one's has `t` times its share of the covers, the own one's the rest.
    #[inline]
    fn go_down(&mut self, place: usize, split: &Split, turn: Turn, weights: &[[f64; LANES]]) {
        let (own, other) = sides(turn);
        let extension = &weights[turn.weights as usize * 2];
        let share = split.shares[other];
        let path = self.paths[place];
        let beside: [f64; LANES] = std::array::from_fn(|lane| path[lane] * extension[lane] * share);
        self.paths[split.children[other] as usize] = beside;
        self.paths[split.children[own] as usize] =
            std::array::from_fn(|lane| path[lane] - beside[lane]);
    }

    /// Combines two leaves.
    #[inline]
    fn answer(
        &mut self,
        place: usize,
        split: &Split,
        turn: Turn,
        answers: [f64; 2],
        weights: &[[f64; LANES]],
    ) {
        let (own, other) = sides(turn);
        let change = split.shares[other] * (answers[other] - answers[own]);
        self.combine(
            place,
            split,
            turn,
            weights,
            [answers[own]; LANES],
            [change; LANES],
        );
    }

    /// Combines what is below the two children.
    #[inline]
    fn come_up(&mut self, place: usize, split: &Split, turn: Turn, weights: &[[f64; LANES]]) {
        let (own, other) = sides(turn);
        let share = split.shares[other];
        let beside = &self.extensions[split.children[other] as usize];
        let own = self.extensions[split.children[own] as usize];
        let change = std::array::from_fn(|lane| share * (beside[lane] - own[lane]));
        self.combine(place, split, turn, weights, own, change);
    }

    /// `O` and `E - O` make the place's extension `O + t (E - O)` and its feature's derivative.
    #[inline]
    fn combine(
        &mut self,
        place: usize,
        split: &Split,
        turn: Turn,
        weights: &[[f64; LANES]],
        own: [f64; LANES],
        change: [f64; LANES],
    ) {
        let extension = &weights[turn.weights as usize * 2];
        let derivative = &weights[turn.weights as usize * 2 + 1];
        let path = &self.paths[place];
        let integrand = &mut self.integrands[usize::from(split.local)];
        for lane in 0..LANES {
            integrand[lane] -= path[lane] * derivative[lane] * change[lane];
        }
        self.extensions[place] =
            std::array::from_fn(|lane| own[lane] + extension[lane] * change[lane]);
    }
}

/// The side that the row takes and the other one.
#[inline]
fn sides(turn: Turn) -> (usize, usize) {
    let own = usize::from(turn.side & 1);
    (own, 1 - own)
}
