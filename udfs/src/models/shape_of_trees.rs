//! Whether trees can be walked: the kernels read their arrays by index and check nothing.

use crate::kernels::trees::{Combination, LEAF, Tree, Trees};

/// What is wrong with trees over `n_features` features, if anything is.
pub(super) fn problem(trees: &Trees, n_features: usize) -> Option<String> {
    let n_outputs = match trees.classes.len() {
        1 => {
            return Some("it has one class, expected two or more, or none for a number".to_owned());
        }
        0 | 2 => 1,
        classes => classes,
    };
    if trees.base.len() != n_outputs || trees.base.iter().any(|value| !value.is_finite()) {
        return Some(format!("its base needs {n_outputs} finite values"));
    }
    let width = match trees.combination {
        Combination::Mean if trees.trees.is_empty() => return Some("it has no trees".to_owned()),
        Combination::Mean if trees.base.iter().any(|value| *value != 0.0) => {
            return Some("it is a mean of trees, whose base is 0".to_owned());
        }
        Combination::Mean => n_outputs,
        Combination::Sum => 1,
    };
    let problems = trees.trees.iter().enumerate().filter_map(|(at, tree)| {
        tree_problem(tree, n_features, width).map(|problem| format!("tree {at} {problem}"))
    });
    problems.into_iter().next()
}

fn tree_problem(tree: &Tree, n_features: usize, width: usize) -> Option<String> {
    let nodes = tree.features.len();
    let lengths = [
        tree.thresholds.len(),
        tree.missing_left.len(),
        tree.right.len(),
        tree.covers.len(),
    ];
    if lengths.iter().any(|length| *length != nodes) {
        return Some(format!(
            "does not have one of everything for each of its {nodes} nodes"
        ));
    }
    let leaves = tree.features.iter().filter(|feature| **feature == LEAF);
    let values = leaves.count() * width;
    if tree.values.len() != values || tree.values.iter().any(|value| !value.is_finite()) {
        return Some(format!("needs {values} finite values in its leaves"));
    }
    if tree.thresholds.iter().any(|value| !value.is_finite()) {
        return Some("has a threshold that is not finite".to_owned());
    }
    if tree
        .covers
        .iter()
        .any(|cover| !cover.is_finite() || *cover <= 0.0)
    {
        return Some("has a cover that is not positive and finite".to_owned());
    }
    order_problem(tree, n_features, values / width)
}

/// In depth-first order the node after a leaf is the right child that has waited least.
fn order_problem(tree: &Tree, n_features: usize, leaves: usize) -> Option<String> {
    let mut waiting = vec![];
    for (node, (feature, right)) in tree.features.iter().zip(&tree.right).enumerate() {
        let right = usize::try_from(*right).unwrap_or(usize::MAX);
        if *feature != LEAF {
            if usize::from(*feature) >= n_features {
                return Some(format!("splits on feature {feature} of {n_features}"));
            }
            waiting.push(right);
            continue;
        }
        if right >= leaves {
            return Some(format!(
                "has {leaves} leaves, and one with the number {right}"
            ));
        }
        if waiting.pop().unwrap_or(tree.features.len()) != node + 1 {
            return Some("is not in depth-first order".to_owned());
        }
    }
    (tree.features.is_empty() || !waiting.is_empty()).then(|| "does not end in leaves".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stump() -> Trees {
        let tree = Tree {
            features: vec![1, LEAF, LEAF],
            thresholds: vec![0.5, 0.0, 0.0],
            missing_left: vec![true, false, false],
            right: vec![2, 0, 1],
            covers: vec![10.0, 4.0, 6.0],
            values: vec![0.25, 0.75],
        };
        Trees {
            classes: vec!["no".to_owned(), "yes".to_owned()],
            combination: Combination::Mean,
            base: vec![0.0],
            trees: vec![tree],
        }
    }

    fn refused(change: impl FnOnce(&mut Trees)) -> String {
        let mut trees = stump();
        change(&mut trees);
        problem(&trees, 2).unwrap_or_else(|| panic!("accepted {trees:?}"))
    }

    #[test]
    fn trees_that_can_be_walked_are_accepted() {
        assert_eq!(problem(&stump(), 2), None);
        let mut boosted = stump();
        boosted.combination = Combination::Sum;
        boosted.trees.clear();
        assert_eq!(problem(&boosted, 2), None);
        let mut number = stump();
        number.classes.clear();
        assert_eq!(problem(&number, 2), None);
    }

    #[test]
    fn what_would_lead_out_of_an_array_is_refused() {
        let tree = |change: fn(&mut Tree)| refused(|trees| change(&mut trees.trees[0]));
        assert!(tree(|tree| tree.features[0] = 2).contains("splits on feature 2 of 2"));
        assert!(tree(|tree| tree.right[0] = 1).contains("depth-first order"));
        assert!(tree(|tree| tree.right[0] = 7).contains("depth-first order"));
        assert!(tree(|tree| tree.right[1] = 2).contains("one with the number 2"));
        assert!(tree(|tree| tree.features[2] = 0).contains("in its leaves"));
        assert!(tree(|tree| tree.covers[1] = 0.0).contains("cover"));
        assert!(tree(|tree| tree.thresholds[0] = f64::NAN).contains("threshold"));
        assert!(tree(|tree| tree.values[1] = f64::INFINITY).contains("finite values"));
        assert!(tree(|tree| tree.missing_left.clear()).contains("one of everything"));
        assert!(tree(|tree| *tree = Tree::default()).contains("does not end in leaves"));
    }

    #[test]
    fn outputs_fit_the_classes() {
        assert!(refused(|trees| trees.base.push(0.0)).contains("its base needs 1"));
        assert!(refused(|trees| trees.base[0] = 1.0).contains("whose base is 0"));
        assert!(refused(|trees| trees.classes.truncate(1)).contains("one class"));
        assert!(refused(|trees| trees.trees.clear()).contains("no trees"));
    }
}
