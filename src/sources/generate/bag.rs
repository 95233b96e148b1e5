//! Draws without luck: outcomes dealt from shuffled bags.

use rand::Rng as _;
use rand::seq::SliceRandom;

use super::Rng;

/// Outcomes in a bag.
const BAG_SIZE: usize = 64;

/// Deals outcomes with given chances. In every bag each outcome is there as often as its chance
/// says, rounded up or down at random, so that a history shows its planted shares with far less
/// than the noise of independent draws, and each single draw still has exactly the given chances.
#[derive(Debug, Clone)]
pub(super) struct Bag {
    chances: Vec<f64>,
    outcomes: Vec<usize>,
}

impl Bag {
    /// A bag whose outcomes are the positions in `chances`, which sum to 1.
    pub(super) fn new(chances: Vec<f64>) -> Self {
        Self {
            chances,
            outcomes: Vec::new(),
        }
    }

    /// The next outcome.
    pub(super) fn draw(&mut self, rng: &mut Rng) -> usize {
        if self.outcomes.is_empty() {
            self.fill(rng);
        }
        self.outcomes.pop().unwrap_or(0)
    }

    /// Systematic sampling: evenly spaced marks with one random start on the line of chances.
    #[expect(clippy::cast_precision_loss, reason = "a bag is small")]
    fn fill(&mut self, rng: &mut Rng) {
        let start: f64 = rng.gen_range(0.0..1.0);
        let mut outcome = 0;
        let mut reached = self.chances.first().copied().unwrap_or(1.0);
        for mark in 0..BAG_SIZE {
            let place = (mark as f64 + start) / BAG_SIZE as f64;
            while place >= reached && outcome + 1 < self.chances.len() {
                outcome += 1;
                reached += self.chances[outcome];
            }
            self.outcomes.push(outcome);
        }
        self.outcomes.shuffle(rng);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::generate::stream;

    #[test]
    fn shares_are_as_planned() {
        let mut rng = stream(1, 0);
        let mut bag = Bag::new(vec![0.5, 0.0, 0.2, 0.3]);
        let mut counts = [0_i32; 4];
        for _ in 0..64_000 {
            counts[bag.draw(&mut rng)] += 1;
        }
        let planned = [32_000, 0, 12_800, 19_200];
        assert!(
            counts
                .iter()
                .zip(planned)
                .all(|(count, plan)| (count - plan).abs() <= 600),
            "{counts:?}"
        );
        assert_eq!(counts[1], 0);
    }
}
