use super::{super::trees::LEAF, *};

/// A tree of random splits and leaves, drawn by a linear congruential generator.
struct Draw(u64);

impl Draw {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn unit(&mut self) -> f64 {
        f64::from(u32::try_from(self.next(1 << 20)).unwrap()) / f64::from(1 << 20)
    }

    fn tree(&mut self, n_features: u64, depth: u32, width: usize) -> Tree {
        let mut tree = Tree::default();
        let cover = 1000.0 + self.unit();
        self.grow(&mut tree, n_features, depth, width, cover);
        tree
    }

    fn grow(&mut self, tree: &mut Tree, n_features: u64, depth: u32, width: usize, cover: f64) {
        let node = tree.features.len();
        tree.covers.push(cover);
        let is_leaf = depth == 0 || (node > 0 && self.next(8) == 0);
        tree.missing_left.push(self.next(2) == 0);
        if is_leaf {
            tree.features.push(LEAF);
            tree.thresholds.push(0.0);
            tree.right
                .push(u32::try_from(tree.values.len() / width).unwrap());
            tree.values
                .extend((0..width).map(|_| self.unit() * 2.0 - 1.0));
            return;
        }
        tree.features
            .push(u16::try_from(self.next(n_features)).unwrap());
        tree.thresholds.push(self.unit());
        tree.right.push(0);
        let share = 0.05 + 0.9 * self.unit();
        self.grow(tree, n_features, depth - 1, width, cover * share);
        tree.right[node] = u32::try_from(tree.features.len()).unwrap();
        self.grow(tree, n_features, depth - 1, width, cover * (1.0 - share));
    }

    fn row(&mut self, n_features: usize) -> Vec<f64> {
        let mut value = || {
            if self.next(7) == 0 {
                f64::NAN
            } else {
                self.unit()
            }
        };
        (0..n_features).map(|_| value()).collect()
    }
}

/// The game: features in the coalition follow the row, the others both branches by cover.
fn game(tree: &Tree, row: &[f64], coalition: usize, node: usize, values: &Values) -> f64 {
    if tree.features[node] == LEAF {
        return values.of(tree.right[node] as usize);
    }
    let (left, right) = (node + 1, tree.right[node] as usize);
    let feature = usize::from(tree.features[node]);
    let below = |child| game(tree, row, coalition, child, values);
    if (coalition >> feature) & 1 == 1 {
        let is_left = if row[feature].is_nan() {
            tree.missing_left[node]
        } else {
            row[feature] <= tree.thresholds[node]
        };
        return below(if is_left { left } else { right });
    }
    let covers = tree.covers[left] + tree.covers[right];
    (tree.covers[left] * below(left) + tree.covers[right] * below(right)) / covers
}

/// Shapley's formula over all coalitions.
fn by_definition(trees: &Trees, row: &[f64], output: usize) -> Vec<f64> {
    let n = row.len();
    let factorial = |k: usize| (1..=k).map(count).product::<f64>();
    let mut worth = vec![0.0; 1 << n];
    for (at, tree) in trees.trees.iter().enumerate() {
        let (width, answer, share) = match trees.combination {
            Combination::Mean => (trees.base.len(), output, 1.0 / count(trees.trees.len())),
            Combination::Sum if at % trees.base.len() == output => (1, 0, 1.0),
            Combination::Sum => continue,
        };
        let values = Values {
            tree,
            width,
            answer,
        };
        for (coalition, worth) in worth.iter_mut().enumerate() {
            *worth += share * game(tree, row, coalition, 0, &values);
        }
    }
    let weigh = |size: usize| factorial(size) * factorial(n - size - 1) / factorial(n);
    (0..n)
        .map(|feature| {
            (0..1_usize << n)
                .filter(|coalition| (coalition >> feature) & 1 == 0)
                .map(|coalition| {
                    let gain = worth[coalition | (1 << feature)] - worth[coalition];
                    weigh(coalition.count_ones() as usize) * gain
                })
                .sum()
        })
        .collect()
}

fn explain(trees: &Trees, rows: &[Vec<f64>], classes: &[usize]) -> TreeExplanations {
    let n_features = rows[0].len();
    let columns: Vec<Vec<f64>> = (0..n_features)
        .map(|feature| rows.iter().map(|row| row[feature]).collect())
        .collect();
    let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
    let explained = TreeExplainer::new(trees, n_features).explain(&columns, classes);
    for row in 0..rows.len() {
        let contributions = &explained.contributions[row * n_features..(row + 1) * n_features];
        let sum: f64 = contributions.iter().sum();
        let error = explained.baselines[row] + sum - explained.predictions[row];
        assert!(error.abs() < 1e-12, "row {row} is {error} off");
    }
    explained
}

fn assert_close(actual: &[f64], expected: &[f64]) {
    assert_eq!(actual.len(), expected.len());
    for (actual, expected) in actual.iter().zip(expected) {
        assert!(
            (actual - expected).abs() < 1e-12,
            "{actual} is not {expected}"
        );
    }
}

fn labels(classes: usize) -> Vec<String> {
    (0..classes).map(|class| format!("class {class}")).collect()
}

#[test]
fn values_are_shapleys() {
    let mut draw = Draw(1);
    for (n_features, depth, classes) in [(1, 1, 2), (2, 3, 0), (3, 8, 3), (7, 5, 2), (10, 9, 0)] {
        for combination in [Combination::Mean, Combination::Sum] {
            let outputs = if classes == 3 { 3 } else { 1 };
            let width = if combination == Combination::Mean {
                outputs
            } else {
                1
            };
            let trees = Trees {
                classes: labels(classes),
                combination,
                base: vec![0.0; outputs],
                trees: (0..6)
                    .map(|_| draw.tree(n_features, depth, width))
                    .collect(),
            };
            let n_features = usize::try_from(n_features).unwrap();
            let rows: Vec<Vec<f64>> = (0..5).map(|_| draw.row(n_features)).collect();
            for output in 0..outputs {
                let class = if classes == 2 { 1 } else { output };
                let explained = explain(&trees, &rows, &[class; 5]);
                let expected: Vec<f64> = rows
                    .iter()
                    .flat_map(|row| by_definition(&trees, row, output))
                    .collect();
                assert_close(&explained.contributions, &expected);
            }
        }
    }
}

#[test]
fn long_paths_are_swept_in_groups() {
    let mut draw = Draw(2);
    let tree = draw.tree(40, 12, 1);
    let mut path = Tree::default();
    // A chain on 19 different features needs ten points, more than a group has.
    for feature in 0..19_u16 {
        path.features.extend([feature, LEAF]);
        path.thresholds.extend([0.5, 0.0]);
        path.missing_left.extend([false, false]);
        path.right
            .extend([u32::from(feature) * 2 + 2, u32::from(feature)]);
        path.covers.extend([f64::from(20 - feature), 1.0]);
        path.values.push(f64::from(feature % 5));
    }
    path.features.push(LEAF);
    path.thresholds.push(0.0);
    path.missing_left.push(false);
    path.right.push(19);
    path.covers.push(1.0);
    path.values.push(9.0);
    let trees = Trees {
        classes: vec![],
        combination: Combination::Sum,
        base: vec![0.25],
        trees: vec![path, tree],
    };
    let rows: Vec<Vec<f64>> = (0..100).map(|_| draw.row(40)).collect();
    explain(&trees, &rows, &[0; 100]);
    assert_eq!(Layout::new(&trees.trees[0]).sweeps.len(), 2);
}

#[test]
fn a_feature_that_no_tree_asks_for_adds_exactly_nothing() {
    let mut draw = Draw(3);
    let trees = Trees {
        classes: labels(2),
        combination: Combination::Mean,
        base: vec![0.0],
        trees: (0..4).map(|_| draw.tree(5, 6, 1)).collect(),
    };
    let rows: Vec<Vec<f64>> = (0..9).map(|_| draw.row(6)).collect();
    let explained = explain(&trees, &rows, &[1; 9]);
    for row in explained.contributions.chunks(6) {
        assert_eq!(row[5].to_bits(), 0.0_f64.to_bits());
    }
}

#[test]
fn the_two_sides_of_a_binary_answer_are_opposite() {
    let mut draw = Draw(4);
    for (combination, whole) in [(Combination::Mean, 1.0), (Combination::Sum, 0.0)] {
        let trees = Trees {
            classes: labels(2),
            combination,
            base: vec![if whole == 0.0 { 0.75 } else { 0.0 }],
            trees: (0..3).map(|_| draw.tree(4, 5, 1)).collect(),
        };
        let row = draw.row(4);
        let both = explain(&trees, &[row.clone(), row], &[0, 1]);
        let (first, second) = both.contributions.split_at(4);
        let opposite: Vec<f64> = second.iter().map(|value| -value).collect();
        assert_close(first, &opposite);
        assert_close(&[both.predictions[0] + both.predictions[1]], &[whole]);
        assert_close(&[both.baselines[0] + both.baselines[1]], &[whole]);
    }
}

#[test]
fn a_tree_of_one_leaf_is_all_baseline() {
    let trees = Trees {
        classes: vec![],
        combination: Combination::Mean,
        base: vec![0.0],
        trees: vec![Tree {
            features: vec![LEAF],
            thresholds: vec![0.0],
            missing_left: vec![false],
            right: vec![0],
            covers: vec![5.0],
            values: vec![2.5],
        }],
    };
    let explained = explain(&trees, &[vec![1.0]], &[0]);
    assert_eq!(explained.baselines, [2.5]);
    assert_eq!(explained.contributions, [0.0]);
}

#[test]
fn bits_do_not_depend_on_threads() {
    let mut draw = Draw(5);
    let trees = Trees {
        classes: labels(3),
        combination: Combination::Sum,
        base: vec![0.1, 0.2, 0.3],
        trees: (0..36).map(|_| draw.tree(8, 7, 1)).collect(),
    };
    let rows: Vec<Vec<f64>> = (0..200).map(|_| draw.row(8)).collect();
    let classes: Vec<usize> = (0..200).map(|row| row % 3).collect();
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(|| explain(&trees, &rows, &classes))
    };
    assert_eq!(on(1), on(2));
}
