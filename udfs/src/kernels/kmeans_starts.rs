//! Where k-means starts: k-means++ and, for many rows, k-means||.
//!
//! k-means++ (Arthur and Vassilvitskii 2007, "k-means++: the advantages of careful seeding") draws each further
//! centroid with a chance proportional to its squared distance from those before; of `2 + ln k` such draws the one
//! that leaves the least inertia is taken, as in scikit-learn. k-means|| (Bahmani et al. 2012, "Scalable k-means++",
//! doi:10.14778/2180912.2180915) draws about `2 k` rows in each of five rounds over all rows, weighs each by the rows
//! nearest to it, and runs k-means++ on these few.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;
use rayon::prelude::*;

use super::{
    CHUNK_ROWS,
    lloyd::{nearest, squared_distances},
    rows::{Chunk, LANES, Rows},
};

/// Rounds of k-means||, as in section 5.2 of the paper.
const ROUNDS: u64 = 5;
/// Rows that a round draws for each cluster, on average.
const OVER_SAMPLING: f64 = 2.0;

/// Draws `k` centroids by greedy k-means++; a row counts as often as `weights` say, once without them. `None` when
/// `stop` says so.
pub(super) fn plus_plus(
    rows: &Rows,
    weights: Option<&[f64]>,
    k: usize,
    seed: u64,
    stop: &(dyn Fn() -> bool + Sync),
) -> Option<Vec<Vec<f64>>> {
    let mut rng = Xoshiro256Plus::seed_from_u64(seed);
    let mut potential = Potential::new(rows, weights);
    let mut centroids = vec![rows.row(potential.draw(&mut rng))];
    potential.lower(&centroids[0]);
    let trials = greedy_trials(k);
    while centroids.len() < k {
        if stop() {
            return None;
        }
        let candidates: Vec<Vec<f64>> = (0..trials)
            .map(|_| rows.row(potential.draw(&mut rng)))
            .collect();
        let left = potential.left_by(&candidates);
        let best = (0..trials).reduce(|best, at| if left[at] < left[best] { at } else { best });
        let chosen = candidates.into_iter().nth(best.unwrap_or(0))?;
        potential.lower(&chosen);
        centroids.push(chosen);
    }
    Some(centroids)
}

/// Draws `k` centroids by k-means|| from all rows; `None` when `stop` says so.
pub(super) fn over_sampled(
    rows: &Rows,
    k: usize,
    seed: u64,
    stop: &(dyn Fn() -> bool + Sync),
) -> Option<Vec<Vec<f64>>> {
    let mut rng = Xoshiro256Plus::seed_from_u64(seed);
    let mut potential = Potential::new(rows, None);
    let mut drawn = vec![potential.draw(&mut rng)];
    potential.lower(&rows.row(drawn[0]));
    for _ in 0..ROUNDS {
        let new = potential.draw_round(k, rng.r#gen());
        for &row in &new {
            if stop() {
                return None;
            }
            potential.lower(&rows.row(row));
        }
        drawn.extend(new);
    }
    if drawn.len() <= k {
        return plus_plus(rows, None, k, seed, stop);
    }
    let candidates: Vec<Vec<f64>> = drawn.iter().map(|&row| rows.row(row)).collect();
    let mut weights = vec![0.0; candidates.len()];
    for candidate in nearest(rows, &candidates) {
        weights[candidate as usize] += 1.0;
    }
    plus_plus(&rows.select(&drawn), Some(&weights), k, seed, stop)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "from 2 to a dozen"
)]
fn greedy_trials(k: usize) -> usize {
    2 + (k as f64).ln() as usize
}

/// How far each row is from the nearest centroid so far.
struct Potential<'a> {
    rows: &'a Rows,
    weights: Option<&'a [f64]>,
    /// Squared distances, infinite before the first centroid; shape `[n_rows]`.
    distances: Vec<f64>,
    /// Weighted sum of the distances in each chunk.
    of_chunk: Vec<f64>,
}

impl<'a> Potential<'a> {
    fn new(rows: &'a Rows, weights: Option<&'a [f64]>) -> Self {
        Self {
            rows,
            weights,
            distances: vec![f64::INFINITY; rows.len()],
            of_chunk: Vec::new(),
        }
    }

    fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[row])
    }

    /// Takes a new centroid into account.
    fn lower(&mut self, centroid: &[f64]) {
        let (weights, rows) = (self.weights, self.rows);
        let lower_chunk = |(chunk, distances): (Chunk<'_>, &mut [f64])| {
            let mut total = 0.0;
            for (at, (tile, distances)) in
                chunk.tiles().zip(distances.chunks_mut(LANES)).enumerate()
            {
                let new = squared_distances(tile, centroid);
                for (lane, (distance, new)) in distances.iter_mut().zip(new).enumerate() {
                    *distance = distance.min(new);
                    let row = chunk.first_row + at * LANES + lane;
                    total += *distance * weights.map_or(1.0, |weights| weights[row]);
                }
            }
            total
        };
        self.of_chunk = rows
            .chunks()
            .into_par_iter()
            .zip(self.distances.par_chunks_mut(CHUNK_ROWS))
            .map(lower_chunk)
            .collect();
    }

    /// The inertia that each candidate would leave.
    fn left_by(&self, candidates: &[Vec<f64>]) -> Vec<f64> {
        let of_chunk = |(chunk, distances): (Chunk<'_>, &[f64])| {
            let mut left = vec![0.0; candidates.len()];
            for (at, (tile, distances)) in chunk.tiles().zip(distances.chunks(LANES)).enumerate() {
                let first = chunk.first_row + at * LANES;
                for (left, candidate) in left.iter_mut().zip(candidates) {
                    let new = squared_distances(tile, candidate);
                    for (lane, (distance, new)) in distances.iter().zip(new).enumerate() {
                        *left += distance.min(new) * self.weight(first + lane);
                    }
                }
            }
            left
        };
        let chunks: Vec<Vec<f64>> = self
            .rows
            .chunks()
            .into_par_iter()
            .zip(self.distances.par_chunks(CHUNK_ROWS))
            .map(of_chunk)
            .collect();
        let mut left = vec![0.0; candidates.len()];
        for chunk in &chunks {
            left.iter_mut()
                .zip(chunk)
                .for_each(|(left, part)| *left += part);
        }
        left
    }

    /// A row, by its weight times its squared distance; by its weight alone where there are no distances yet or all
    /// are 0.
    fn draw(&self, rng: &mut Xoshiro256Plus) -> usize {
        let total: f64 = self.of_chunk.iter().sum();
        if total <= 0.0 {
            return self.draw_by_weight(rng);
        }
        let mut left = rng.r#gen::<f64>() * total;
        let mut chunk = 0;
        while chunk + 1 < self.of_chunk.len() && left >= self.of_chunk[chunk] {
            left -= self.of_chunk[chunk];
            chunk += 1;
        }
        let first = chunk * CHUNK_ROWS;
        let last = (first + CHUNK_ROWS).min(self.rows.len());
        let mut drawn = first;
        for row in first..last {
            let share = self.distances[row] * self.weight(row);
            if share > 0.0 {
                drawn = row;
                if left < share {
                    break;
                }
                left -= share;
            }
        }
        drawn
    }

    fn draw_by_weight(&self, rng: &mut Xoshiro256Plus) -> usize {
        let Some(weights) = self.weights else {
            return rng.gen_range(0..self.rows.len());
        };
        let mut left = rng.r#gen::<f64>() * weights.iter().sum::<f64>();
        let passes = |weight: &f64| {
            left -= weight;
            left < 0.0
        };
        weights.iter().position(passes).unwrap_or(0)
    }

    /// Each row by itself with a chance of `2 k` times its share in the whole; in rising order.
    #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 clusters")]
    fn draw_round(&self, k: usize, seed: u64) -> Vec<usize> {
        let total: f64 = self.of_chunk.iter().sum();
        if total <= 0.0 {
            return Vec::new();
        }
        let factor = OVER_SAMPLING * k as f64 / total;
        let of_chunk = |(chunk, distances): (usize, &[f64])| {
            let mut rng = Xoshiro256Plus::seed_from_u64(seed.wrapping_add(chunk as u64));
            let first = chunk * CHUNK_ROWS;
            let is_drawn = |distance: &f64| rng.r#gen::<f64>() < factor * distance;
            let drawn = distances.iter().map(is_drawn).enumerate();
            drawn
                .filter_map(|(at, is_drawn)| is_drawn.then_some(first + at))
                .collect::<Vec<_>>()
        };
        let chunks: Vec<Vec<usize>> = self
            .distances
            .par_chunks(CHUNK_ROWS)
            .enumerate()
            .map(of_chunk)
            .collect();
        chunks.concat()
    }
}
