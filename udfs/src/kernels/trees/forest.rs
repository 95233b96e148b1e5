//! Random forests (Breiman 2001, doi:10.1023/A:1010933404324): many deep trees, each grown from rows drawn with
//! replacement, a few features drawn at each node, their answers averaged.
//!
//! As scikit-learn's: trees vote with the shares of classes in their leaves, classes may be weighted. Where we differ:
//! a feature with more than 255 values is cut into bins first, and `min_samples_leaf` counts a row drawn twice twice.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;
use rayon::prelude::*;

use super::{
    Combination, Tree, Trees,
    bins::Bins,
    forest_tree::{Grower, Limits},
    impurity::{ClassLabels, Impurity, NumberLabels},
    predict::rows_of,
    target::{Target, class_weights},
};

/// What is chosen before growing a forest.
#[derive(Clone, Copy, Debug)]
pub struct ForestOptions {
    /// How many trees, at least one.
    pub trees: usize,
    /// Most splits from the root to a leaf; none: as many as there can be.
    pub max_depth: Option<usize>,
    /// Least rows in a leaf, at least one.
    pub min_samples_leaf: usize,
    /// Features drawn at a node; none: the root of their number for classes, a third of it for a number.
    pub max_features: Option<usize>,
    /// Whether all classes together weigh the same, however many rows they have.
    pub is_balanced: bool,
    /// Seed of every random choice.
    pub seed: u64,
}

/// A forest, and which rows its trees have not seen.
#[derive(Clone, Debug)]
pub struct Forest {
    /// The forest.
    pub trees: Trees,
    /// For each tree a bit for each row that it was grown from.
    seen: Vec<Vec<u64>>,
}

/// Grows a forest from columns `[n_features][n_rows]`, in which NaN is a missing value. None if `stop` said so.
#[must_use]
pub fn grow(
    columns: &[&[f64]],
    target: &Target<'_>,
    options: &ForestOptions,
    stop: &(dyn Fn() -> bool + Sync),
) -> Option<Forest> {
    let job = Job {
        bins: &Bins::new(columns, options.seed),
        target,
        options,
        stop,
    };
    let grown = match target {
        Target::Numbers(of_row) => {
            let mean = of_row.iter().sum::<f64>() / float(of_row.len());
            job.grow(&NumberLabels { of_row, mean })
        }
        Target::Classes { names, .. } => match names.len() {
            0..=2 => job.grow_classes::<2>(),
            3..=4 => job.grow_classes::<4>(),
            5..=8 => job.grow_classes::<8>(),
            9..=16 => job.grow_classes::<16>(),
            17..=32 => job.grow_classes::<32>(),
            _ => job.grow_classes::<128>(),
        },
    };
    let (trees, seen) = grown?.into_iter().unzip();
    let trees = Trees {
        classes: target.names(),
        combination: Combination::Mean,
        base: vec![0.0; target.n_outputs()],
        trees,
    };
    Some(Forest { trees, seen })
}

struct Job<'a> {
    bins: &'a Bins,
    target: &'a Target<'a>,
    options: &'a ForestOptions,
    stop: &'a (dyn Fn() -> bool + Sync),
}

impl Job<'_> {
    fn grow_classes<const W: usize>(&self) -> Option<Vec<(Tree, Vec<u64>)>> {
        let Target::Classes { of_row, names } = self.target else {
            return None;
        };
        let mut weights = [0.0; W];
        let of_class = class_weights(of_row, names.len(), self.options.is_balanced);
        weights
            .iter_mut()
            .zip(of_class)
            .for_each(|(weight, of_class)| *weight = of_class);
        self.grow::<_, W>(&ClassLabels {
            of_row,
            n_classes: names.len(),
            weights,
        })
    }

    fn grow<I: Impurity<W>, const W: usize>(&self, impurity: &I) -> Option<Vec<(Tree, Vec<u64>)>> {
        let features = self.bins.features.len();
        let by_default = match self.target {
            Target::Classes { .. } => features.isqrt(),
            Target::Numbers(_) => features / 3,
        };
        let limits = Limits {
            features: self.options.max_features.unwrap_or(by_default).max(1),
            depth: self.options.max_depth.unwrap_or(usize::MAX),
            leaf_cover: float(self.options.min_samples_leaf.max(1)),
        };
        let one = |tree: usize| {
            if (self.stop)() {
                return None;
            }
            let mut random = Xoshiro256Plus::seed_from_u64(seed_of(self.options.seed, tree));
            let times = draw(self.bins.rows, &mut random);
            let rows = times.iter().zip(0..).filter(|(times, _)| **times > 0);
            let rows = rows.map(|(times, row)| impurity.row(row, *times)).collect();
            let tree = Grower::new(self.bins, impurity, &limits, random).grow(rows);
            Some((tree, bits(&times)))
        };
        (0..self.options.trees).into_par_iter().map(one).collect()
    }
}

impl Forest {
    /// What the trees that have not seen a row say of it, as [`predict_rows`](super::predict::predict_rows) does, with the row's index; rows that every
    /// tree has seen are left out. `columns` are those it was grown from.
    #[must_use]
    pub fn out_of_bag(&self, columns: &[&[f64]]) -> (Vec<usize>, Vec<f64>) {
        let rows = rows_of(columns);
        let width = self.trees.classes.len().max(1);
        let answers: Vec<Option<Vec<f64>>> = rows
            .par_chunks_exact(columns.len().max(1))
            .enumerate()
            .with_min_len(64)
            .map(|(at, row)| self.unseen_answer(at, row))
            .collect();
        let rows = (0..answers.len()).filter(|row| answers[*row].is_some());
        let rows = rows.collect();
        let mut flat = Vec::with_capacity(answers.len() * width);
        answers
            .iter()
            .flatten()
            .for_each(|answer| flat.extend(answer));
        (rows, flat)
    }

    fn unseen_answer(&self, at: usize, row: &[f64]) -> Option<Vec<f64>> {
        let outputs = self.trees.n_outputs();
        let mut sums = vec![0.0; outputs];
        let mut voters = 0;
        for (tree, seen) in self.trees.trees.iter().zip(&self.seen) {
            if seen[at / 64] >> (at % 64) & 1 == 0 {
                let from = tree.leaf(row) * outputs;
                let values = &tree.values[from..from + outputs];
                sums.iter_mut()
                    .zip(values)
                    .for_each(|(sum, value)| *sum += value);
                voters += 1;
            }
        }
        if voters == 0 {
            return None;
        }
        for sum in &mut sums {
            *sum /= float(voters);
        }
        Some(match self.trees.classes.len() {
            2 => vec![1.0 - sums[0], sums[0]],
            _ => sums,
        })
    }
}

/// How often each row is drawn when as many as there are are drawn with replacement.
fn draw(rows: usize, random: &mut Xoshiro256Plus) -> Vec<u16> {
    let mut times = vec![0_u16; rows];
    for _ in 0..rows {
        let row = &mut times[random.gen_range(0..rows)];
        *row = row.saturating_add(1);
    }
    times
}

fn bits(times: &[u16]) -> Vec<u64> {
    let word = |times: &[u16]| {
        let set = times.iter().zip(0..).filter(|(times, _)| **times > 0);
        set.fold(0, |word, (_, bit)| word | 1 << bit)
    };
    times.chunks(64).map(word).collect()
}

/// The seed of a tree, which must not be that of a tree of the forest with the next seed.
fn seed_of(seed: u64, tree: usize) -> u64 {
    let mut of_forest = Xoshiro256Plus::seed_from_u64(seed);
    of_forest.r#gen::<u64>() ^ (tree as u64)
}

#[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::super::{LEAF, predict::predict};
    use super::*;

    const OPTIONS: ForestOptions = ForestOptions {
        trees: 30,
        max_depth: None,
        min_samples_leaf: 1,
        max_features: None,
        is_balanced: false,
        seed: 7,
    };

    /// Two features of which only the pair tells the class, one that says nothing, one that is the class or missing.
    fn columns(rows: u32) -> (Vec<Vec<f64>>, Vec<u32>) {
        let bit = |row: u32, bit: u32| row.wrapping_mul(2_654_435_761) >> bit & 1;
        let label = |row: u32| bit(row, 31) ^ bit(row, 23);
        let columns = vec![
            (0..rows)
                .map(|row| f64::from(bit(row, 31)) + f64::from(row % 7) / 10.0)
                .collect(),
            (0..rows).map(|row| f64::from(bit(row, 23))).collect(),
            (0..rows).map(|row| f64::from(row * 37 % 1009)).collect(),
        ];
        (columns, (0..rows).map(label).collect())
    }

    fn views(columns: &[Vec<f64>]) -> Vec<&[f64]> {
        columns.iter().map(Vec::as_slice).collect()
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|class| format!("class {class}")).collect()
    }

    fn forest(columns: &[Vec<f64>], of_row: &[u32], options: &ForestOptions) -> Forest {
        let names = names(2);
        let target = Target::Classes {
            of_row,
            names: &names,
        };
        grow(&views(columns), &target, options, &|| false).unwrap()
    }

    #[test]
    fn learns_what_no_feature_says_alone() {
        let (columns, labels) = columns(2000);
        let forest = forest(&columns, &labels, &OPTIONS);
        let held_out = predict(
            &forest.trees,
            &[&[0.3, 1.3, 1.3], &[0.0, 0.0, 1.0], &[1.0, 2.0, 3.0]],
        );
        assert!(
            held_out[1][0] < 0.2 && held_out[1][1] > 0.8 && held_out[1][2] < 0.2,
            "{held_out:?}"
        );
        let (rows, answers) = forest.out_of_bag(&views(&columns));
        assert_eq!(answers.len(), rows.len() * 2);
        let right = rows.iter().zip(answers.chunks(2));
        let right = right
            .filter(|(row, answer)| (answer[1] > 0.5) == (labels[**row] == 1))
            .count();
        assert!(
            rows.len() > 1990 && right * 100 > rows.len() * 97,
            "{right} of {}",
            rows.len()
        );
    }

    #[test]
    fn one_thread_and_two_grow_the_same_forest() {
        let (columns, labels) = columns(500);
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| forest(&columns, &labels, &OPTIONS).trees)
        };
        assert_eq!(with(1), with(2));
        let other = ForestOptions { seed: 8, ..OPTIONS };
        assert_ne!(with(1), forest(&columns, &labels, &other).trees);
    }

    #[test]
    fn missing_values_say_what_they_say() {
        let labels: Vec<u32> = (0..600).map(|row| row % 3 / 2).collect();
        let column = (0..600).map(|row| {
            if row % 3 == 2 {
                f64::NAN
            } else {
                f64::from(row % 5)
            }
        });
        let forest = forest(&[column.collect()], &labels, &OPTIONS);
        assert_eq!(
            predict(&forest.trees, &[&[f64::NAN, 0.0, 9.0]])[1],
            [1.0, 0.0, 0.0]
        );
    }

    #[test]
    fn covers_add_up_and_leaves_have_their_least_rows() {
        let (columns, labels) = columns(1000);
        let options = ForestOptions {
            min_samples_leaf: 40,
            max_depth: Some(4),
            ..OPTIONS
        };
        for tree in forest(&columns, &labels, &options).trees.trees {
            assert!((tree.covers[0] - 1000.0).abs() < 1e-9);
            for node in 0..tree.features.len() {
                if tree.features[node] == LEAF {
                    assert!(tree.covers[node] >= 40.0);
                    continue;
                }
                let children = tree.covers[node + 1] + tree.covers[tree.right[node] as usize];
                assert!((tree.covers[node] - children).abs() < 1e-9);
            }
            assert!(tree.values.len() <= 16);
        }
    }

    #[test]
    fn a_number_is_the_mean_of_its_neighbours() {
        let column: Vec<f64> = (0..900).map(|row| f64::from(row % 30)).collect();
        let numbers: Vec<f64> = column.iter().map(|value| 1e9 + value * value).collect();
        let target = Target::Numbers(&numbers);
        let forest = grow(&[&column], &target, &OPTIONS, &|| false)
            .unwrap()
            .trees;
        let answers = predict(&forest, &[&[0.0, 10.0, 29.0]]);
        for (answer, expected) in answers[0].iter().zip([0.0, 100.0, 841.0]) {
            assert!((answer - 1e9 - expected).abs() < 1e-3, "{answer}");
        }
    }

    #[test]
    fn balanced_classes_weigh_the_same() {
        let labels: Vec<u32> = (0..1000).map(|row| u32::from(row % 10 == 0)).collect();
        let column = vec![1.0; 1000];
        let options = ForestOptions {
            is_balanced: true,
            ..OPTIONS
        };
        let share = |options| {
            predict(
                &forest(std::slice::from_ref(&column), &labels, options).trees,
                &[&[1.0]],
            )[1][0]
        };
        assert!((share(&OPTIONS) - 0.1).abs() < 0.02);
        assert!((share(&options) - 0.5).abs() < 0.05);
    }

    #[test]
    fn growth_ends_when_told() {
        let (columns, labels) = columns(100);
        let names = names(2);
        let target = Target::Classes {
            of_row: &labels,
            names: &names,
        };
        assert!(grow(&views(&columns), &target, &OPTIONS, &|| true).is_none());
    }
}
