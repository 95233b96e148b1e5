//! A guard against features that give the label away: one feature that ranks a class almost perfectly on its own is more
//! often a definition of the label than a discovery.

use super::{
    dataset::{Codes, Dataset},
    ranking::Ranking,
};

const SUSPICIOUS_AUC: f64 = 0.97;

/// A warning for each feature that separates a class, in either direction, with an AUC above 0.97.
pub(super) fn warnings(dataset: &Dataset, label: &Codes) -> Vec<String> {
    let classes = label.names.len();
    let ranked = if classes == 2 { 1..2 } else { 0..classes };
    let mut warnings = Vec::new();
    let weights = vec![1.0; label.of_row.len()];
    for (name, values) in dataset.features.iter().zip(dataset.values.columns()) {
        let mut ranking = Ranking::of(&values.to_vec());
        for class in ranked.clone() {
            ranking = ranking.with_positives(|row| label.of_row[row] as usize == class);
            let area = ranking.area(&weights);
            let strength = area.max(1.0 - area);
            if strength > SUSPICIOUS_AUC {
                let class = &label.names[class];
                warnings.push(format!(
                    "feature '{name}' alone separates class '{class}' with AUC {strength:.3}: check that it does not define the label"
                ));
            }
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn a_feature_that_is_the_label_is_named_and_an_honest_one_is_not() {
        let of_row: Vec<u32> = (0..200).map(|row| row / 100).collect();
        let values = Array2::from_shape_fn((200, 2), |(row, feature)| match feature {
            0 => -f64::from(of_row[row]),
            _ => f64::from(u32::try_from(row * 37 % 101).unwrap()),
        });
        let dataset = Dataset {
            features: vec!["planted".into(), "honest".into()],
            values,
            label: None,
            group: None,
            fold: None,
            warnings: Vec::new(),
        };
        let label = Codes {
            names: vec!["calm".into(), "party".into()],
            of_row,
        };
        let warnings = warnings(&dataset, &label);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(
            warnings[0]
                .starts_with("feature 'planted' alone separates class 'party' with AUC 1.000"),
            "{warnings:?}"
        );
    }
}
