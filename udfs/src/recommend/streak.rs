//! A streak of days that were lower in valence than the listener's usual: the coach then goes at a slower pace.
//!
//! It compares music with music of the same listener, and says nothing about how anybody feels.

/// Plays with known features that a day must have to count.
pub(super) const PLAYS_OF_A_DAY: f64 = 10.0;
/// Days behind the usual, back from the last one.
const BASELINE_DAYS: f64 = 90.0;
/// Days that make a usual; with fewer there is no streak.
const LEAST_BASELINE: usize = 10;
/// The last days, and how many of them must be low.
const RECENT_DAYS: f64 = 5.0;
const LOW_DAYS: usize = 3;
/// Turns a median absolute deviation into the standard deviation of a normal distribution (Hampel 1974, The influence
/// curve and its role in robust estimation, doi:10.1080/01621459.1974.10482962).
const MAD_TO_DEVIATION: f64 = 1.4826;
/// A difference in mean valence below this is none.
const NOTHING: f64 = 1e-9;

/// Whether at least three of the last five days lie more than one robust standard deviation below the median of ninety;
/// `days` are dates in days since 1970 with their mean valence, in order.
pub(super) fn is_low(days: &[(f64, f64)]) -> bool {
    let Some((last, _)) = days.last() else {
        return false;
    };
    let within = |span: f64| {
        let chosen = days.iter().filter(move |(date, _)| *date > last - span);
        chosen.map(|(_, valence)| *valence).collect::<Vec<_>>()
    };
    let usual = within(BASELINE_DAYS);
    if usual.len() < LEAST_BASELINE {
        return false;
    }
    let middle = median(usual.clone());
    let deviation = MAD_TO_DEVIATION
        * median(
            usual
                .iter()
                .map(|valence| (valence - middle).abs())
                .collect(),
        );
    let is_low = |valence: &&f64| **valence < middle - deviation - NOTHING;
    within(RECENT_DAYS).iter().filter(is_low).count() >= LOW_DAYS
}

/// The mean of the two middle values where there are two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 {
        values[half]
    } else {
        f64::midpoint(values[half - 1], values[half])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twenty days that alternate between 0.48 and 0.52, then these.
    fn days(last: &[f64]) -> Vec<(f64, f64)> {
        let usual = (0..20).map(|day| if day % 2 == 0 { 0.48 } else { 0.52 });
        (0_i32..)
            .map(f64::from)
            .zip(usual.chain(last.iter().copied()))
            .collect()
    }

    #[test]
    fn three_low_days_of_the_last_five_are_a_streak() {
        assert!(is_low(&days(&[0.3, 0.5, 0.3, 0.5, 0.3])));
        assert!(!is_low(&days(&[0.3, 0.5, 0.5, 0.5, 0.3])));
        assert!(!is_low(&days(&[0.3, 0.3, 0.3, 0.5, 0.5, 0.5, 0.5])));
        assert!(!is_low(&days(&[0.7, 0.7, 0.7, 0.7, 0.7])));
    }

    #[test]
    fn without_a_usual_there_is_no_streak() {
        let few = [(1.0, 0.5), (2.0, 0.1), (3.0, 0.1), (4.0, 0.1)];
        assert!(!is_low(&few));
        assert!(!is_low(&[]));
    }
}
