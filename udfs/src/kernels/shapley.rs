//! Shapley values of a logistic model against the training means.
//!
//! In log-odds the model is a sum, so a feature's value is its own term: `weight · (x - mean) / scale` (Štrumbelj,
//! Kononenko, "Explaining prediction models and individual predictions with feature contributions" (2014),
//! doi:10.1007/s10115-013-0679-x, section 3; `shap.LinearExplainer` with independent features). A probability is no
//! sum, and stretching the terms of the margin over it would not be Shapley's division, so it is divided by his
//! formula itself, over all subsets of the features (Shapley 1953; Lundberg, Lee 2017, arXiv:1705.07874, eq. 4), where a
//! feature outside the subset stands at its training mean.

use super::logistic::{sigmoid, softmax};
use crate::models::Logistic;

/// Most features whose subsets are enumerated: 2^16 evaluations are milliseconds a row, each feature more doubles it.
pub const MAX_ENUMERATED_FEATURES: usize = 16;

/// What is explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Output {
    /// The class's log-odds if binary, its score before the softmax if multinomial.
    Margin,
    /// The class's probability.
    Probability,
}

/// The largest sum of changes of log-odds whose exponentials are multiplied: e^±600 is well inside the range of a double.
const MOST_LOG_ODDS: f64 = 600.0;

/// Divides predictions for the rows of one model; keeps the working memory between rows.
#[derive(Debug)]
pub struct Explainer<'a> {
    model: &'a Logistic,
    output: Output,
    /// Each output's change of margin by unit of feature, weight / scale; shape `[n_outputs][n_features]`.
    slopes: Vec<Vec<f64>>,
    /// Shapley's weight of each subset, |S|! (n - |S| - 1)! / n!; shape `[2^n_features]`.
    subset_weights: Vec<f64>,
    /// Each output's odds or margin by subset, a bit for each feature; shape `[n_outputs][2^n_features]`.
    subsets: Vec<Vec<f64>>,
    /// The explained class's probability by subset; shape `[2^n_features]`.
    game: Vec<f64>,
}

/// One explained prediction, beside the contributions: `baseline + Σ contribution = prediction`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Explained {
    /// The prediction with every feature at its training mean.
    pub baseline: f64,
    /// The prediction for the row.
    pub prediction: f64,
}

impl<'a> Explainer<'a> {
    /// An explainer of a model with at most [`MAX_ENUMERATED_FEATURES`] features where the output is a probability.
    #[must_use]
    pub fn new(model: &'a Logistic, output: Output) -> Self {
        let features = model.means.len();
        let subsets = match output {
            Output::Margin => 0,
            Output::Probability => 1 << features,
        };
        let slopes = |weights: &Vec<f64>| -> Vec<f64> {
            let pairs = weights.iter().zip(&model.scales);
            pairs.map(|(weight, scale)| weight / scale).collect()
        };
        Self {
            model,
            output,
            slopes: model.weights.iter().map(slopes).collect(),
            subset_weights: match output {
                Output::Margin => vec![],
                Output::Probability => subset_weights(features),
            },
            subsets: vec![vec![0.0; subsets]; model.weights.len()],
            game: vec![0.0; subsets],
        }
    }

    /// Writes each feature's contribution to the prediction of `class` for one row; shapes `[n_features]`.
    pub fn explain(&mut self, class: usize, row: &[f64], contributions: &mut [f64]) -> Explained {
        match self.output {
            Output::Margin => self.divide_margin(class, row, contributions),
            Output::Probability => self.divide_probability(class, row, contributions),
        }
    }

    /// What each feature adds to the margin of one output.
    fn terms(&self, output: usize, row: &[f64]) -> impl Iterator<Item = f64> {
        let features = row.iter().zip(&self.model.means);
        features
            .zip(&self.slopes[output])
            .map(|((value, mean), slope)| (value - mean) * slope)
    }

    fn divide_margin(&self, class: usize, row: &[f64], contributions: &mut [f64]) -> Explained {
        // A binary model has one output, of its second class; the first class's log-odds are its negative.
        let (output, sign) = match self.slopes.len() {
            1 => (0, if class == 1 { 1.0 } else { -1.0 }),
            _ => (class, 1.0),
        };
        let baseline = sign * self.model.intercepts[output];
        let mut prediction = baseline;
        for (contribution, term) in contributions.iter_mut().zip(self.terms(output, row)) {
            *contribution = sign * term;
            prediction += *contribution;
        }
        Explained {
            baseline,
            prediction,
        }
    }

    fn divide_probability(
        &mut self,
        class: usize,
        row: &[f64],
        contributions: &mut [f64],
    ) -> Explained {
        let terms: Vec<Vec<f64>> = (0..self.slopes.len())
            .map(|output| self.terms(output, row).collect())
            .collect();
        let furthest = |(terms, intercept): (&Vec<f64>, &f64)| {
            intercept.abs() + terms.iter().map(|term| term.abs()).sum::<f64>()
        };
        let intercepts = &self.model.intercepts;
        if terms
            .iter()
            .zip(intercepts)
            .map(furthest)
            .fold(0.0, f64::max)
            < MOST_LOG_ODDS
        {
            self.play_odds(class, &terms);
        } else {
            self.play_margins(class, &terms);
        }
        for (feature, contribution) in contributions.iter_mut().enumerate() {
            *contribution = shapley_value(&self.game, &self.subset_weights, feature);
        }
        Explained {
            baseline: self.game[0],
            prediction: self.game[self.game.len() - 1],
        }
    }

    /// Fills the class's probability for every subset, with one exponential for each feature instead of each subset.
    fn play_odds(&mut self, class: usize, terms: &[Vec<f64>]) {
        let outputs = self
            .subsets
            .iter_mut()
            .zip(terms)
            .zip(&self.model.intercepts);
        for ((odds, terms), intercept) in outputs {
            let factors = terms.iter().map(|term| term.exp());
            grow(odds, intercept.exp(), factors, |without, factor| {
                without * factor
            });
        }
        let game = self.game.iter_mut();
        match self.subsets.as_slice() {
            [odds] if class == 1 => game
                .zip(odds)
                .for_each(|(value, odds)| *value = odds / (1.0 + odds)),
            [odds] => game
                .zip(odds)
                .for_each(|(value, odds)| *value = 1.0 / (1.0 + odds)),
            [first, others @ ..] => {
                let game = &mut self.game;
                game.copy_from_slice(first);
                for odds in others {
                    game.iter_mut()
                        .zip(odds)
                        .for_each(|(total, odds)| *total += odds);
                }
                let own = &self.subsets[class];
                game.iter_mut()
                    .zip(own)
                    .for_each(|(value, own)| *value = own / *value);
            }
            [] => {}
        }
    }

    /// The same for margins of any size.
    fn play_margins(&mut self, class: usize, terms: &[Vec<f64>]) {
        let outputs = self
            .subsets
            .iter_mut()
            .zip(terms)
            .zip(&self.model.intercepts);
        for ((margins, terms), intercept) in outputs {
            grow(
                margins,
                *intercept,
                terms.iter().copied(),
                |without, term| without + term,
            );
        }
        if let [margins] = self.subsets.as_slice() {
            let sign = if class == 1 { 1.0 } else { -1.0 };
            self.game
                .iter_mut()
                .zip(margins)
                .for_each(|(value, margin)| *value = sigmoid(sign * margin));
            return;
        }
        let mut margins = vec![0.0; self.subsets.len()];
        for (subset, value) in self.game.iter_mut().enumerate() {
            margins
                .iter_mut()
                .zip(&self.subsets)
                .for_each(|(margin, by_subset)| *margin = by_subset[subset]);
            softmax(&mut margins);
            *value = margins[class];
        }
    }
}

/// A feature's Shapley value in a game with a worth for each subset, a bit for each feature.
pub(super) fn shapley_value(game: &[f64], subset_weights: &[f64], feature: usize) -> f64 {
    // Subsets without the feature and the same with it lie side by side in runs as long as the feature's bit.
    let run = 1 << feature;
    let runs = game
        .chunks_exact(2 * run)
        .zip(subset_weights.chunks_exact(2 * run));
    runs.map(|(values, weights)| {
        let (without, with) = values.split_at(run);
        let pairs = with.iter().zip(without).zip(weights);
        pairs
            .map(|((with, without), weight)| weight * (with - without))
            .sum::<f64>()
    })
    .sum()
}

/// Fills a value for every subset: that of the subset without its highest feature, joined with what that feature adds.
fn grow(
    subsets: &mut [f64],
    none: f64,
    features: impl Iterator<Item = f64>,
    join: impl Fn(f64, f64) -> f64,
) {
    subsets[0] = none;
    for (feature, added) in features.enumerate() {
        let (known, next) = subsets[..2 << feature].split_at_mut(1 << feature);
        next.iter_mut()
            .zip(known)
            .for_each(|(with, without)| *with = join(*without, added));
    }
}

/// Shapley's weight of each subset as one that a feature joins; shape `[2^n_features]`, unused for the full set.
pub(super) fn subset_weights(features: usize) -> Vec<f64> {
    let by_size = size_weights(features);
    (0..1_usize << features)
        .map(|subset| {
            by_size
                .get(subset.count_ones() as usize)
                .copied()
                .unwrap_or(0.0)
        })
        .collect()
}

/// |S|! (n - |S| - 1)! / n! for |S| = 0 … n - 1, without forming a factorial.
fn size_weights(features: usize) -> Vec<f64> {
    let mut weights = Vec::with_capacity(features);
    let mut weight = 1.0 / count(features.max(1));
    for size in 0..features {
        weights.push(weight);
        weight *= count(size + 1) / count((features - size - 1).max(1));
    }
    weights
}

#[expect(clippy::cast_precision_loss, reason = "a number of features")]
fn count(features: usize) -> f64 {
    features as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::iris;

    fn explain(
        model: &Logistic,
        output: Output,
        class: usize,
        row: usize,
    ) -> (Vec<f64>, Explained) {
        let mut contributions = vec![0.0; model.means.len()];
        let explained =
            Explainer::new(model, output).explain(class, &iris::row(row), &mut contributions);
        let sum: f64 = contributions.iter().sum();
        assert!((explained.baseline + sum - explained.prediction).abs() < 1e-12);
        (contributions, explained)
    }

    /// `shap.LinearExplainer(model, zeros)` of shap 0.51.0 on the standardised rows.
    #[test]
    fn margins_agree_with_shap() {
        let (contributions, explained) = explain(&iris::multinomial(), Output::Margin, 2, 2);
        let expected = [
            0.505_164_074_145_069_5,
            0.105_205_634_647_833_24,
            1.618_503_601_219_504,
            1.739_384_062_279_104_8,
        ];
        iris::assert_close(&contributions, &expected);
        iris::assert_close(&[explained.baseline], &[-1.869_919]);
    }

    /// `shap.explainers.Exact` of shap 0.51.0 with the training means as its only background row.
    #[test]
    fn probabilities_agree_with_shap() {
        let (contributions, _) = explain(&iris::multinomial(), Output::Probability, 2, 2);
        let expected = [
            -0.010_788_067_962_299_211,
            0.007_597_668_291_293_42,
            0.240_978_082_645_441_68,
            0.285_716_632_335_186_24,
        ];
        iris::assert_close(&contributions, &expected);
        let (contributions, explained) = explain(&iris::binary(), Output::Probability, 1, 3);
        let expected = [
            0.001_256_096_699_886_388_4,
            0.008_894_042_078_759_299,
            0.270_557_259_460_562_2,
            0.354_705_125_512_743_25,
        ];
        iris::assert_close(&contributions, &expected);
        iris::assert_close(&[explained.prediction], &[0.657_254_000_090_972_7]);
    }

    #[test]
    fn odds_and_margins_play_the_same_game() {
        for (model, class) in [
            (iris::multinomial(), 1),
            (iris::binary(), 0),
            (iris::binary(), 1),
        ] {
            let mut explainer = Explainer::new(&model, Output::Probability);
            let row = iris::row(2);
            let terms: Vec<Vec<f64>> = (0..model.weights.len())
                .map(|output| explainer.terms(output, &row).collect())
                .collect();
            explainer.play_odds(class, &terms);
            let odds = explainer.game.clone();
            explainer.play_margins(class, &terms);
            iris::assert_close(&odds, &explainer.game);
        }
    }

    #[test]
    fn a_probability_beyond_all_odds_is_divided() {
        let mut model = iris::multinomial();
        for weights in &mut model.weights {
            for weight in weights.iter_mut() {
                *weight *= 1e4;
            }
        }
        let (contributions, explained) = explain(&model, Output::Probability, 0, 0);
        assert!(
            contributions
                .iter()
                .all(|contribution| contribution.is_finite())
        );
        iris::assert_close(&[explained.prediction], &[1.0]);
    }

    #[test]
    fn the_two_sides_of_a_binary_model_are_opposite() {
        for output in [Output::Margin, Output::Probability] {
            let (positive, _) = explain(&iris::binary(), output, 1, 0);
            let (negative, _) = explain(&iris::binary(), output, 0, 0);
            let opposite: Vec<f64> = negative.iter().map(|contribution| -contribution).collect();
            iris::assert_close(&positive, &opposite);
        }
    }

    #[test]
    fn a_feature_without_weight_contributes_nothing() {
        let mut model = iris::binary();
        model.weights[0][1] = 0.0;
        for output in [Output::Margin, Output::Probability] {
            iris::assert_close(&explain(&model, output, 1, 2).0[1..2], &[0.0]);
        }
    }

    #[test]
    fn weights_are_shapleys() {
        // |S|! (4 - |S| - 1)! / 4!
        iris::assert_close(
            &size_weights(4),
            &[6.0 / 24.0, 2.0 / 24.0, 2.0 / 24.0, 6.0 / 24.0],
        );
    }
}
