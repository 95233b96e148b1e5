//! Moments of a sliding window, without subtraction.
//!
//! Taking pairs out of a sum cancels digits and never brings a constant window back to a moment of exactly zero.
//! Two stacks do without: the older half of the window is kept as running totals from its newest end, so that the
//! oldest pair leaves by dropping one total; the newer half is one total. A pair is moved once, so a step of the
//! window costs constant time on average. Source: Tangwongsan, Hirzel, Schneider, "In-Order Sliding-Window
//! Aggregation in Worst-Case Constant Time", VLDB Journal 30 (2021), section 2 (two-stacks), doi:10.1007/s00778-021-00668-3.

use super::moments::Moments;

/// A first-in, first-out window of pairs that knows its moments.
#[derive(Debug, Default)]
pub struct SlidingMoments {
    /// Totals of the older half; the last one covers all of it, the first one only its newest pair.
    older: Vec<Moments>,
    newer: Vec<(f64, f64)>,
    newer_total: Moments,
}

impl SlidingMoments {
    /// Adds a pair at the new end.
    pub fn push(&mut self, x: f64, y: f64) {
        self.newer.push((x, y));
        self.newer_total.push(x, y);
    }

    /// Removes the oldest pair, if there is one.
    pub fn pop(&mut self) {
        if self.older.is_empty() {
            let mut total = Moments::default();
            for (x, y) in self.newer.drain(..).rev() {
                total.push(x, y);
                self.older.push(total);
            }
            self.newer_total = Moments::default();
        }
        self.older.pop();
    }

    /// The moments of the pairs in the window.
    #[must_use]
    pub fn moments(&self) -> Moments {
        let mut total = self.older.last().copied().unwrap_or_default();
        total.merge(&self.newer_total);
        total
    }

    /// Bytes held beyond the struct itself.
    #[must_use]
    pub fn heap_size(&self) -> usize {
        self.older.capacity() * size_of::<Moments>()
            + self.newer.capacity() * size_of::<(f64, f64)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_the_moments_of_its_pairs_at_every_step() {
        let pairs: Vec<(f64, f64)> = (0..200_u32)
            .map(|i| (f64::from(i % 17), f64::from((i * i) % 23)))
            .collect();
        let mut window = SlidingMoments::default();
        for (end, (x, y)) in pairs.iter().enumerate() {
            window.push(*x, *y);
            if end >= 30 {
                window.pop();
            }
            let (x, y): (Vec<f64>, Vec<f64>) =
                pairs[end.saturating_sub(29)..=end].iter().copied().unzip();
            let expected = Moments::of(&x, &y);
            assert_eq!(window.moments().count, expected.count);
            assert!((window.moments().xy - expected.xy).abs() < 1e-9, "at {end}");
        }
    }

    #[test]
    fn a_nan_leaves_with_its_pair_and_a_constant_window_is_constant() {
        let mut window = SlidingMoments::default();
        window.push(f64::NAN, 1.0);
        for i in 0..3_u8 {
            window.push(0.1, f64::from(i));
        }
        assert!(window.moments().correlation().is_some_and(f64::is_nan));
        window.pop();
        assert_eq!(window.moments().correlation(), None);
        assert_eq!(window.moments().non_finite, 0);
    }

    #[test]
    fn an_empty_window_can_be_popped() {
        let mut window = SlidingMoments::default();
        window.pop();
        assert_eq!(window.moments(), Moments::default());
    }
}
