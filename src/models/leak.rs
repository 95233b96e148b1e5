//! A guard against features that give the label away: one feature that ranks a class almost perfectly on its own is more
//! often a definition of the label than a discovery.

use super::{
    dataset::{Codes, Dataset},
    ranking::Ranking,
};

const SUSPICIOUS_AUC: f64 = 0.97;

/// A warning for each feature that separates a class from the others, in either direction, with an AUC above 0.97.
pub(super) fn warnings(dataset: &Dataset, label: &Codes) -> Vec<String> {
    let classes = label.names.len();
    let ranked = if classes == 2 { 1..2 } else { 0..classes };
    let mut warnings = Vec::new();
    let weights = vec![1.0; label.of_row.len()];
    for (name, values) in dataset.features.iter().zip(dataset.values.columns()) {
        // What is missing counts as the lowest value: that it is missing may give the label away too.
        let ranked_values = values.mapv(|value| value.max(f64::NEG_INFINITY)).to_vec();
        let mut ranking = Ranking::of(&ranked_values);
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
            ..Dataset::default()
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
    #[test]
    fn a_feature_that_is_one_of_three_classes_is_named_and_so_is_a_gap() {
        let of_row: Vec<u32> = (0..300).map(|row| row / 100).collect();
        let values =
            Array2::from_shape_fn((300, 2), |(row, feature)| match (feature, of_row[row]) {
                (0, 1) => 1.0,
                (1, 2) => f64::NAN,
                _ => f64::from(u32::try_from(row * 37 % 101).unwrap()) / -202.0,
            });
        let dataset = Dataset {
            features: vec!["is_chill".into(), "gap".into()],
            values,
            ..Dataset::default()
        };
        let label = Codes {
            names: vec!["calm".into(), "chill".into(), "party".into()],
            of_row,
        };
        let warnings = warnings(&dataset, &label);
        let named = |text: &str| {
            warnings
                .iter()
                .filter(|warning| warning.contains(text))
                .count()
        };
        assert_eq!(
            named("feature 'is_chill' alone separates class 'chill'"),
            1,
            "{warnings:?}"
        );
        assert_eq!(
            named("feature 'gap' alone separates class 'party'"),
            1,
            "{warnings:?}"
        );
        assert_eq!(warnings.len(), 2, "{warnings:?}");
    }
}
