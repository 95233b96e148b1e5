//! Margins and probabilities of a logistic model.
//!
//! A margin is `intercept + Σ (x - mean) / scale · weight`, in log-odds. It is built feature by feature over a block of
//! rows, so that every step is one pass over contiguous values.

use super::BLOCK_ROWS;
use crate::models::Logistic;

/// The logistic function `1 / (1 + e^-margin)`, without overflow and without losing small probabilities.
#[must_use]
#[inline]
pub fn sigmoid(margin: f64) -> f64 {
    // e^-|margin| is in (0, 1]: neither branch can overflow, and a small probability keeps its relative precision.
    let small = (-margin.abs()).exp();
    if margin >= 0.0 {
        1.0 / (1.0 + small)
    } else {
        small / (1.0 + small)
    }
}

/// Turns margins into probabilities in place: `e^m / Σ e^m`, shifted by the largest margin so that nothing overflows.
pub fn softmax(margins: &mut [f64]) {
    let largest = margins.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut total = 0.0;
    for margin in &mut *margins {
        *margin = (*margin - largest).exp();
        total += *margin;
    }
    for margin in margins {
        *margin /= total;
    }
}

/// The margins of each output of the model; shape `[1][n_rows]` (of `classes[1]`) if binary, else `[n_classes][n_rows]`.
#[must_use]
pub fn margins(model: &Logistic, columns: &[&[f64]]) -> Vec<Vec<f64>> {
    let rows = columns.first().map_or(0, |column| column.len());
    let mut outputs: Vec<Vec<f64>> = model
        .intercepts
        .iter()
        .map(|intercept| vec![*intercept; rows])
        .collect();
    for from in (0..rows).step_by(BLOCK_ROWS) {
        let block = from..rows.min(from + BLOCK_ROWS);
        for (feature, column) in columns.iter().enumerate() {
            let (mean, scale) = (model.means[feature], model.scales[feature]);
            for (output, weights) in outputs.iter_mut().zip(&model.weights) {
                let slope = weights[feature] / scale;
                let margins = output[block.clone()].iter_mut();
                for (margin, value) in margins.zip(&column[block.clone()]) {
                    *margin += (value - mean) * slope;
                }
            }
        }
    }
    outputs
}

/// The probability of each class; shape `[n_classes][n_rows]`.
#[must_use]
pub fn probabilities(model: &Logistic, columns: &[&[f64]]) -> Vec<Vec<f64>> {
    let mut outputs = margins(model, columns);
    if let [margins] = outputs.as_mut_slice() {
        let negative = margins.iter().map(|margin| sigmoid(-margin)).collect();
        for margin in margins {
            *margin = sigmoid(*margin);
        }
        outputs.insert(0, negative);
        return outputs;
    }
    let rows = outputs.first().map_or(0, Vec::len);
    let mut row_margins = vec![0.0; outputs.len()];
    for row in 0..rows {
        for (margin, output) in row_margins.iter_mut().zip(&outputs) {
            *margin = output[row];
        }
        softmax(&mut row_margins);
        for (probability, output) in row_margins.iter().zip(&mut outputs) {
            output[row] = *probability;
        }
    }
    outputs
}

/// The index of the most probable class of each row, the lowest one on a tie; shape `[n_rows]`.
#[must_use]
pub fn predicted_classes(model: &Logistic, columns: &[&[f64]]) -> Vec<usize> {
    let mut outputs = margins(model, columns).into_iter();
    let Some(mut largest) = outputs.next() else {
        return vec![];
    };
    if outputs.len() == 0 {
        return largest
            .iter()
            .map(|margin| usize::from(*margin > 0.0))
            .collect();
    }
    let mut predicted = vec![0; largest.len()];
    for (class, output) in (1..).zip(outputs) {
        for ((largest, predicted), margin) in largest.iter_mut().zip(&mut predicted).zip(output) {
            if margin > *largest {
                *largest = margin;
                *predicted = class;
            }
        }
    }
    predicted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::iris;

    #[test]
    fn multinomial_probabilities_agree_with_scikit_learn() {
        let by_class = probabilities(&iris::multinomial(), &iris::columns());
        let row = |at: usize| by_class.iter().map(|class| class[at]).collect::<Vec<_>>();
        iris::assert_close(
            &row(0),
            &[
                0.984_703_156_284_087_1,
                0.015_296_781_677_845_483,
                6.203_806_746_158_929e-8,
            ],
        );
        iris::assert_close(
            &row(2),
            &[
                0.001_178_166_845_345_8,
                0.458_057_233_136_240_14,
                0.540_764_600_018_414_1,
            ],
        );
        assert_eq!(
            predicted_classes(&iris::multinomial(), &iris::columns()),
            [0, 1, 2, 2]
        );
    }

    #[test]
    fn binary_probabilities_agree_with_scikit_learn() {
        let by_class = probabilities(&iris::binary(), &iris::columns());
        let positive = [
            6.732_336_855_411_286e-6,
            0.020_226_486_786_746_597,
            0.557_876_707_961_802_4,
            0.657_254_000_090_972_7,
        ];
        iris::assert_close(&by_class[1], &positive);
        iris::assert_close(&by_class[0], &positive.map(|probability| 1.0 - probability));
        assert_eq!(
            predicted_classes(&iris::binary(), &iris::columns()),
            [0, 0, 1, 1]
        );
    }

    #[test]
    fn every_row_of_several_blocks_is_predicted_alike() {
        let columns: Vec<Vec<f64>> = iris::COLUMNS
            .iter()
            .map(|column| column.repeat(BLOCK_ROWS))
            .collect();
        let slices: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let expected = margins(&iris::multinomial(), &iris::columns());
        for (many, few) in margins(&iris::multinomial(), &slices).iter().zip(expected) {
            assert_eq!(*many, few.repeat(BLOCK_ROWS));
        }
    }

    #[test]
    fn extreme_margins_neither_overflow_nor_lose_small_probabilities() {
        assert_eq!((sigmoid(1e4), sigmoid(-1e4), sigmoid(0.0)), (1.0, 0.0, 0.5));
        assert!((sigmoid(-700.0) / (-700.0_f64).exp() - 1.0).abs() < 1e-15);
        let mut margins = [1e4, 0.0, -1e4];
        softmax(&mut margins);
        iris::assert_close(&margins, &[1.0, 0.0, 0.0]);
    }

    #[test]
    fn no_rows_have_no_predictions() {
        let empty: [&[f64]; 4] = [&[]; 4];
        assert_eq!(
            probabilities(&iris::multinomial(), &empty),
            vec![Vec::<f64>::new(); 3]
        );
        assert!(predicted_classes(&iris::binary(), &empty).is_empty());
    }
}
