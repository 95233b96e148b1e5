//! Gradient boosting of trees (Friedman 2001, doi:10.1214/aos/1013203451) on binned features, with second-order gains as
//! in XGBoost and growth leaf by leaf as in LightGBM, whose defaults are meant.

use super::{
    Combination, Tree, Trees,
    bins::Bins,
    boosted_tree::Grower,
    loss::{Loss, weights},
    sums::Limits,
    target::Target,
};

/// What is chosen before boosting.
#[derive(Clone, Copy, Debug)]
pub struct BoostingOptions {
    /// Rounds, at least one: trees, times the classes if there are more than two.
    pub rounds: usize,
    /// Most leaves of a tree, at least two.
    pub leaves: usize,
    /// Most splits from the root to a leaf; none: as many as there can be.
    pub max_depth: Option<usize>,
    /// Least rows in a leaf, at least one.
    pub min_samples_leaf: usize,
    /// What each tree's answer is multiplied by.
    pub learning_rate: f64,
    /// Weight of the penalty on the squares of leaves' answers.
    pub l2: f64,
    /// Whether all classes together weigh the same, however many rows they have.
    pub is_balanced: bool,
    /// Seed of every random choice.
    pub seed: u64,
}

/// Rows that are not learned from, but tell when to stop.
#[derive(Clone, Copy, Debug)]
pub struct Validation<'a> {
    /// Raw features row by row; `[n_rows * n_features]`.
    pub rows: &'a [f64],
    /// Their labels, of the same classes.
    pub target: Target<'a>,
    /// Boosting ends when their loss has not fallen for so many rounds; the rounds after the lowest are forgotten.
    pub patience: usize,
}

/// Boosts from columns `[n_features][n_rows]`, in which NaN is a missing value. None if `stop` said so.
#[must_use]
pub fn grow(
    columns: &[&[f64]],
    target: &Target<'_>,
    options: &BoostingOptions,
    validation: Option<&Validation<'_>>,
    stop: &(dyn Fn() -> bool + Sync),
) -> Option<Trees> {
    let bins = Bins::new(columns, options.seed);
    let weights = weights(target, options.is_balanced);
    let loss = Loss::new(target, &weights);
    let base = loss.base();
    let mut watcher = validation
        .filter(|validation| !validation.rows.is_empty())
        .map(|validation| Watcher::new(validation, &weights, &base));
    let mut booster = Booster::new(&bins, &loss, &base, options);
    let mut trees = Vec::new();
    for round in 0..options.rounds {
        if stop() {
            return None;
        }
        let grown = booster.round();
        if grown.iter().all(|tree| tree.features.len() == 1) {
            break;
        }
        let is_enough = watcher
            .as_mut()
            .is_some_and(|watcher| watcher.look(&grown, round));
        trees.extend(grown);
        if is_enough {
            break;
        }
    }
    if let Some(watcher) = watcher {
        trees.truncate(watcher.best_rounds * loss.outputs());
    }
    Some(Trees {
        classes: target.names(),
        combination: Combination::Sum,
        base,
        trees,
    })
}

struct Booster<'a> {
    loss: &'a Loss<'a>,
    grower: Grower<'a>,
    rate: f64,
    /// `[n_rows * n_outputs]`
    scores: Vec<f64>,
    predictions: Vec<f64>,
    slopes: Vec<[f64; 2]>,
}

impl<'a> Booster<'a> {
    fn new(bins: &'a Bins, loss: &'a Loss<'a>, base: &[f64], options: &BoostingOptions) -> Self {
        let limits = Limits {
            leaves: options.leaves.max(2),
            depth: options.max_depth.unwrap_or(usize::MAX),
            leaf_rows: float(options.min_samples_leaf.max(1)),
            l2: options.l2,
        };
        Self {
            loss,
            grower: Grower::new(bins, limits),
            rate: options.learning_rate,
            scores: base.repeat(bins.rows),
            predictions: Vec::new(),
            slopes: vec![[0.0; 2]; bins.rows],
        }
    }

    /// One tree for each output.
    fn round(&mut self) -> Vec<Tree> {
        let outputs = self.loss.outputs();
        self.loss.predict(&self.scores, &mut self.predictions);
        let one = |output| {
            self.loss
                .slopes(&self.predictions, output, &mut self.slopes);
            self.grower.grow(&self.slopes, self.rate, |rows, answer| {
                for row in rows {
                    self.scores[*row as usize * outputs + output] += answer;
                }
            })
        };
        (0..outputs).map(one).collect()
    }
}

/// Follows the loss of validation rows.
struct Watcher<'a> {
    validation: &'a Validation<'a>,
    loss: Loss<'a>,
    /// `[n_rows * n_outputs]`
    scores: Vec<f64>,
    predictions: Vec<f64>,
    best: f64,
    best_rounds: usize,
}

impl<'a> Watcher<'a> {
    fn new(validation: &'a Validation<'a>, weights: &'a [f64], base: &[f64]) -> Self {
        Self {
            validation,
            loss: Loss::new(&validation.target, weights),
            scores: base.repeat(validation.target.len()),
            predictions: Vec::new(),
            best: f64::INFINITY,
            best_rounds: 0,
        }
    }

    /// Looks at the trees of a round; whether it was the last.
    fn look(&mut self, trees: &[Tree], round: usize) -> bool {
        let outputs = self.loss.outputs();
        let features = self.validation.rows.len() / self.validation.target.len().max(1);
        let rows = self.validation.rows.chunks_exact(features.max(1));
        for (row, scores) in rows.zip(self.scores.chunks_exact_mut(outputs)) {
            for (score, tree) in scores.iter_mut().zip(trees) {
                *score += tree.values[tree.leaf(row)];
            }
        }
        self.loss.predict(&self.scores, &mut self.predictions);
        let now = self.loss.of(&self.predictions);
        if now < self.best {
            (self.best, self.best_rounds) = (now, round + 1);
        }
        round + 1 - self.best_rounds >= self.validation.patience
    }
}

#[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::super::{
        LEAF,
        predict::{predict, rows_of},
    };
    use super::*;

    const OPTIONS: BoostingOptions = BoostingOptions {
        rounds: 40,
        leaves: 8,
        max_depth: None,
        min_samples_leaf: 5,
        learning_rate: 0.2,
        l2: 0.0,
        is_balanced: false,
        seed: 3,
    };

    /// Two features of which the pair tells the number, and one that says nothing; some values are missing.
    fn columns(rows: u32) -> Vec<Vec<f64>> {
        let hash = |row: u32, by: u32| f64::from(row.wrapping_mul(2_654_435_761) >> by & 0xff);
        let column = |by| {
            (0..rows)
                .map(|row| hash(row, by) / 255.0)
                .collect::<Vec<_>>()
        };
        let mut columns = vec![column(24), column(16), column(8)];
        columns[1]
            .iter_mut()
            .step_by(10)
            .for_each(|value| *value = f64::NAN);
        columns
    }

    fn truth(columns: &[Vec<f64>]) -> Vec<f64> {
        let rows = columns[0].iter().zip(&columns[1]);
        rows.map(|(a, b)| {
            if b.is_nan() {
                -2.0
            } else {
                4.0 * (a - 0.5) * (b - 0.5)
            }
        })
        .collect()
    }

    fn views(columns: &[Vec<f64>]) -> Vec<&[f64]> {
        columns.iter().map(Vec::as_slice).collect()
    }

    fn boost(columns: &[Vec<f64>], target: &Target<'_>, options: &BoostingOptions) -> Trees {
        grow(&views(columns), target, options, None, &|| false).unwrap()
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|class| format!("class {class}")).collect()
    }

    fn classes(columns: &[Vec<f64>], bounds: &[f64]) -> Vec<u32> {
        let class = |value: &f64| bounds.iter().filter(|bound| value > bound).count();
        truth(columns)
            .iter()
            .map(|value| u32::try_from(class(value)).unwrap())
            .collect()
    }

    #[test]
    fn a_number_is_approached() {
        let columns = columns(3000);
        let numbers = truth(&columns);
        let trees = boost(&columns, &Target::Numbers(&numbers), &OPTIONS);
        assert_eq!(trees.trees.len(), 40);
        let answers = predict(&trees, &views(&columns));
        let errors = answers[0]
            .iter()
            .zip(&numbers)
            .map(|(a, b)| (a - b).powi(2));
        let mean = errors.sum::<f64>() / 3000.0;
        assert!(mean < 0.01, "{mean}");
        for tree in &trees.trees {
            let leaves = tree
                .features
                .iter()
                .filter(|feature| **feature == LEAF)
                .count();
            assert!(leaves <= 8 && leaves == tree.values.len());
            assert!(tree.covers.iter().all(|cover| *cover >= 5.0));
        }
    }

    #[test]
    fn classes_are_told_apart() {
        let columns = columns(3000);
        for bounds in [&[-0.5][..], &[-1.0, 0.0, 0.3]] {
            let of_row = classes(&columns, bounds);
            let names = names(bounds.len() + 1);
            let target = Target::Classes {
                of_row: &of_row,
                names: &names,
            };
            let answers = predict(&boost(&columns, &target, &OPTIONS), &views(&columns));
            let of = |row: usize| (0..names.len()).map(move |class| (class, row));
            let said = |row| of(row).max_by(|a, b| answers[a.0][a.1].total_cmp(&answers[b.0][b.1]));
            let right = (0..3000).filter(|row| said(*row).unwrap().0 == of_row[*row] as usize);
            assert!(right.count() > 2900);
        }
    }

    #[test]
    fn one_thread_and_two_boost_alike() {
        let columns = columns(20_000);
        let numbers = truth(&columns);
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let options = BoostingOptions {
                rounds: 3,
                ..OPTIONS
            };
            pool.install(|| boost(&columns, &Target::Numbers(&numbers), &options))
        };
        assert_eq!(with(1), with(2));
    }

    #[test]
    fn noise_stops_early() {
        let columns = columns(1200);
        let of_row: Vec<u32> = (0..1200).map(|row| row * 7919 % 1009 % 2).collect();
        let names = names(2);
        let part = |rows: std::ops::Range<usize>| -> Vec<Vec<f64>> {
            columns
                .iter()
                .map(|column| column[rows.clone()].to_vec())
                .collect()
        };
        let (training, held_out) = (part(0..600), part(600..1200));
        let target = |of_row| Target::Classes {
            of_row,
            names: &names,
        };
        let validation = Validation {
            rows: &rows_of(&views(&held_out)),
            target: target(&of_row[600..]),
            patience: 5,
        };
        let grow = |validation| {
            let target = target(&of_row[..600]);
            grow(&views(&training), &target, &OPTIONS, validation, &|| false).unwrap()
        };
        assert_eq!(grow(None).trees.len(), 40);
        let stopped = grow(Some(&validation)).trees;
        assert!(stopped.len() < 10, "{}", stopped.len());
        assert_eq!(stopped, grow(None).trees[..stopped.len()]);
    }

    #[test]
    fn nothing_to_gain_grows_nothing() {
        let column = vec![1.0; 50];
        let trees = boost(&[column], &Target::Numbers(&[2.5; 50]), &OPTIONS);
        assert!(trees.trees.is_empty());
        assert_eq!(predict(&trees, &[&[1.0]]), [[2.5]]);
        let ended = grow(&[&[1.0]], &Target::Numbers(&[1.0]), &OPTIONS, None, &|| {
            true
        });
        assert!(ended.is_none());
    }
}
