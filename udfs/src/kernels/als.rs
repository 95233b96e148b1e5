//! Matrix factorisation of implicit feedback: what was played how often becomes a few numbers for each user and item.
//!
//! Hu, Koren and Volinsky 2008, "Collaborative filtering for implicit feedback datasets", doi:10.1109/ICDM.2008.22: the
//! preference of a pair is 1 if it occurs and 0 otherwise, its confidence `c = 1 + w`, and the factors minimise
//! `sum c (p - x·y)² + l2 (sum x² + sum y²)` over all pairs, those that never occur included (equation 3). Users and items
//! are solved for in turn; a solution is refined by a few steps of conjugate gradient from the one before (Takács, Pilászy
//! and Tikk 2011, "Applications of the conjugate gradient method for implicit feedback collaborative filtering",
//! doi:10.1145/2043932.2043987), which costs what the data costs and not the cube of the factors.
//!
//! Rows are solved independently of each other, in blocks of a fixed size: threads change no bit.

use rayon::prelude::*;

pub use fold_in::FoldIn;
pub use interactions::Interactions;
pub use matrix::Matrix;
pub use ranking::{score, scores, top};

use dense::{LANES, add_rows, dot, scaled_add, times_symmetric};
use interactions::Rows;

mod compact;
mod dense;
mod fold_in;
mod interactions;
mod matrix;
mod ranking;

/// Steps of conjugate gradient for a row and iteration: three is what Takács, Pilászy and Tikk recommend.
const STEPS: usize = 3;
/// Rows that one task solves.
const BLOCK_ROWS: usize = 32;
/// Squared length of a residual that is as good as none.
const SETTLED: f32 = 1e-20;

/// What training may choose.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Numbers for each user and item.
    pub factors: usize,
    /// Times that users and then items are solved for.
    pub iterations: usize,
    /// Weight of the penalty on squared factors, above 0.
    pub l2: f32,
    /// Seed of the first factors.
    pub seed: u64,
}

/// The factors of users and items; `None` if `stop` said so before they were done.
#[must_use]
pub fn train(
    interactions: &Interactions,
    settings: Settings,
    stop: &(dyn Fn() -> bool + Sync),
) -> Option<(Matrix, Matrix)> {
    let (users, items) = (interactions.by_user.len(), interactions.by_item.len());
    let mut users = Matrix::random(users, settings.factors, settings.seed);
    let mut items = Matrix::random(items, settings.factors, !settings.seed);
    for _ in 0..settings.iterations {
        improve(&interactions.by_user, &items, &mut users, settings.l2, stop)?;
        improve(&interactions.by_item, &users, &mut items, settings.l2, stop)?;
    }
    Some((users, items))
}

/// Refines the factors of one side while those of the other side, `fixed`, stay.
fn improve(
    rows: &Rows,
    fixed: &Matrix,
    factors: &mut Matrix,
    l2: f32,
    stop: &(dyn Fn() -> bool + Sync),
) -> Option<()> {
    let gram = fixed.gram(l2);
    let width = fixed.padded();
    let blocks = factors
        .padded_values_mut()
        .par_chunks_mut(width * BLOCK_ROWS);
    blocks.enumerate().for_each(|(block, solutions)| {
        let mut solver = Solver::new(&gram, fixed);
        for (at, solution) in solutions.chunks_exact_mut(width).enumerate() {
            let (others, weights) = rows.row(block * BLOCK_ROWS + at);
            solver.refine(others, weights, solution);
        }
    });
    (!stop()).then_some(())
}

/// Conjugate gradient for one row after another.
struct Solver<'a> {
    /// `Y'Y + l2 I`, shape `[padded * padded]`.
    gram: &'a [f32],
    fixed: &'a Matrix,
    residual: Vec<f32>,
    direction: Vec<f32>,
    image: Vec<f32>,
}

impl<'a> Solver<'a> {
    fn new(gram: &'a [f32], fixed: &'a Matrix) -> Self {
        let zeros = || vec![0.0; fixed.padded()];
        Self {
            gram,
            fixed,
            residual: zeros(),
            direction: zeros(),
            image: zeros(),
        }
    }

    /// Some steps from `solution` towards that of `(Y'Y + l2 I + sum w y y') x = sum (1 + w) y`, the sums over the row's
    /// own entries.
    fn refine(&mut self, others: &[u32], weights: &[f32], solution: &mut [f32]) {
        if others.is_empty() {
            solution.fill(0.0);
            return;
        }
        times_symmetric(self.gram, solution, &mut self.residual);
        self.residual.iter_mut().for_each(|value| *value = -*value);
        let own = |similarity: f32, weight: f32| 1.0 + weight - weight * similarity;
        add_rows(
            self.fixed,
            others,
            weights,
            solution,
            own,
            &mut self.residual,
        );
        self.direction.copy_from_slice(&self.residual);
        let mut length = dot(&self.residual, &self.residual);
        for _ in 0..STEPS {
            if length < SETTLED {
                return;
            }
            times_symmetric(self.gram, &self.direction, &mut self.image);
            let own = |similarity: f32, weight: f32| weight * similarity;
            add_rows(
                self.fixed,
                others,
                weights,
                &self.direction,
                own,
                &mut self.image,
            );
            let step = length / dot(&self.direction, &self.image);
            scaled_add(step, &self.direction, solution);
            scaled_add(-step, &self.image, &mut self.residual);
            let next = dot(&self.residual, &self.residual);
            let share = next / length;
            for (direction, residual) in self.direction.iter_mut().zip(&self.residual) {
                *direction = residual + share * *direction;
            }
            length = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_xoshiro::Xoshiro256Plus;

    use super::*;

    const SETTINGS: Settings = Settings {
        factors: 5,
        iterations: 10,
        l2: 0.1,
        seed: 7,
    };

    /// Users of five tastes who play about two thirds of the twenty items of their own and nothing else.
    fn planted() -> Interactions {
        let mut rng = Xoshiro256Plus::seed_from_u64(1);
        let pairs = (0..200).flat_map(|user| (0..100).map(move |item| (user, item)));
        let own = pairs.filter(|&(user, item)| user % 5 == item % 5);
        let played = own.filter(|_| rng.gen_bool(2.0 / 3.0));
        let weighted =
            played.map(|(user, item)| (user, item, if user % 3 == 0 { 3.0 } else { 2.0 }));
        Interactions::new(200, 100, &weighted.collect::<Vec<_>>())
    }

    fn listener(interactions: &Interactions, user: usize) -> Vec<(u32, f64)> {
        let (items, weights) = interactions.of_user(user);
        let weights = weights.iter().copied().map(f64::from);
        items.iter().copied().zip(weights).collect()
    }

    #[test]
    fn unheard_items_of_the_own_taste_rank_first() {
        let interactions = planted();
        let (users, items) = train(&interactions, SETTINGS, &|| false).unwrap();
        for user in 0..200 {
            let factors: Vec<f64> = users.row(user).iter().copied().map(f64::from).collect();
            let (heard, _) = interactions.of_user(user);
            let unheard = 20 - heard.len();
            let best = top(&scores(&items, &factors), heard, unheard);
            assert!(
                best.iter().all(|item| *item as usize % 5 == user % 5),
                "{user}: {best:?}"
            );
        }
    }

    #[test]
    fn threads_change_no_bit() {
        let interactions = planted();
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let (users, items) = pool
                .install(|| train(&interactions, SETTINGS, &|| false))
                .unwrap();
            [users.to_values(), items.to_values()].concat()
        };
        let one: Vec<u32> = on(1).iter().map(|value| value.to_bits()).collect();
        let two: Vec<u32> = on(2).iter().map(|value| value.to_bits()).collect();
        assert_eq!(one, two);
    }

    #[test]
    fn it_ends_when_told() {
        assert!(train(&planted(), SETTINGS, &|| true).is_none());
    }

    #[test]
    fn a_half_step_is_that_of_implicit() {
        let items = Matrix::new(2, &[0.5, -0.25, 0.125, 0.75, -0.5, 0.25, 1.0, 0.5]);
        let weights = [
            (0, 0, 2.0),
            (0, 2, 0.5),
            (1, 1, 1.0),
            (1, 3, 8.0),
            (2, 0, 0.0),
            (2, 1, 3.0),
        ];
        // implicit 0.7.3, implicit.cpu._als.least_squares with confidences 1 + weight and regularization 0.1.
        let expected = [
            [0.339_233_19, -0.323_016_58],
            [0.445_561_59, 1.117_450_24],
            [0.243_073_91, 0.953_423_38],
        ];
        let interactions = Interactions::new(3, 4, &weights);
        let gram = FoldIn::gram(&items, 0.1);
        let mut refined = Matrix::random(3, 2, 1);
        for _ in 0..3 {
            improve(&interactions.by_user, &items, &mut refined, 0.1, &|| false).unwrap();
        }
        for (user, expected) in expected.iter().enumerate() {
            let own = listener(&interactions, user);
            let exact = FoldIn::new(&items, &gram, &own).unwrap().factors();
            for (factor, expected) in expected.iter().enumerate() {
                let refined = f64::from(refined.row(user)[factor]);
                assert!((exact[factor] - expected).abs() < 1e-6, "{exact:?}");
                assert!(
                    (refined - expected).abs() < 1e-5,
                    "{refined} is not {expected}"
                );
            }
        }
    }

    #[test]
    fn contributions_add_up_to_the_score() {
        let interactions = planted();
        let (_, items) = train(&interactions, SETTINGS, &|| false).unwrap();
        let gram = FoldIn::gram(&items, f64::from(SETTINGS.l2));
        let own = listener(&interactions, 3);
        let equation = FoldIn::new(&items, &gram, &own).unwrap();
        for (item, score) in scores(&items, &equation.factors()).iter().enumerate() {
            let sum: f64 = equation.contributions(item).iter().sum();
            assert!((sum - score).abs() < 1e-12, "{sum} is not {score}");
        }
    }

    #[test]
    fn equal_scores_keep_the_order_of_the_items() {
        assert_eq!(top(&[1.0, 3.0, 3.0, -1.0, 2.0], &[4], 3), [1, 2, 0]);
        assert_eq!(top(&[1.0], &[0], 3), [0_u32; 0]);
    }
}
