//! Rows that the tests of this module share, and that a reference in another language can make alike:
//! `[(i * 37 % 101) / 10, (i * 53 % 97) / 7, (i * 29 % 89) / 3 - 10]` for row `i`.

use ndarray::Array2;

use super::options::{Labelled, LogisticOptions, SplitKind};

/// Rows of [`features`] and of the labels.
pub(super) const ROWS: u32 = 120;

/// Numbers that any language makes alike; `[ROWS][3]`.
pub(super) fn features() -> Array2<f64> {
    Array2::from_shape_fn((ROWS as usize, 3), |(row, feature)| {
        let row = u32::try_from(row).unwrap();
        match feature {
            0 => f64::from(row * 37 % 101) / 10.0,
            1 => f64::from(row * 53 % 97) / 7.0,
            _ => f64::from(row * 29 % 89) / 3.0 - 10.0,
        }
    })
}

fn scores() -> impl Iterator<Item = f64> {
    let noise = |row: u32| f64::from(row * 71 % 113) / 28.0 - 2.0;
    let rows = (0..ROWS).zip(
        features()
            .outer_iter()
            .map(|row| row.to_vec())
            .collect::<Vec<_>>(),
    );
    rows.map(move |(at, row)| 0.5 * row[0] - 0.4 * row[1] + 0.1 * row[2] + noise(at))
}

/// A label that depends on [`features`], with noise.
pub(super) fn two_classes() -> Vec<u32> {
    scores().map(|score| u32::from(score > 0.0)).collect()
}

/// The same in three classes.
pub(super) fn three_classes() -> Vec<u32> {
    scores()
        .map(|score| u32::from(score >= -1.5) + u32::from(score >= 1.0))
        .collect()
}

pub(super) fn logistic_options() -> LogisticOptions {
    LogisticOptions {
        labelled: Labelled {
            label: "mood".into(),
            classes: None,
            label_inputs: Vec::new(),
            split: SplitKind::None,
            group: None,
            fold: None,
            time: None,
            gap_days: None,
            id: None,
            deduplicate: false,
            seed: 42,
            allow_untrained: false,
        },
        l2: 1.0,
        max_iterations: 1000,
        class_weight: None,
    }
}
