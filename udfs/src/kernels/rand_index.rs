//! The adjusted Rand index (Hubert and Arabie 1985, "Comparing partitions", doi:10.1007/BF01908075, eq. 5): how far two
//! ways of dealing the same rows agree, 1 if wholly, 0 if no more than chance has it.

/// The index of two clusterings of the same rows, into `k` clusters at most each; 1 where both put all in one.
#[must_use]
pub fn adjusted_rand_index(one: &[u32], other: &[u32], k: usize) -> f64 {
    let mut table = vec![0.0; k * k];
    for (&one, &other) in one.iter().zip(other) {
        table[one as usize * k + other as usize] += 1.0;
    }
    let row = |at: usize| table[at * k..(at + 1) * k].iter().sum::<f64>();
    let column = |at: usize| table.iter().skip(at).step_by(k).sum::<f64>();
    let together: f64 = table.iter().copied().map(pairs).sum();
    let in_one: f64 = (0..k).map(row).map(pairs).sum();
    let in_other: f64 = (0..k).map(column).map(pairs).sum();
    let expected = in_one * in_other / pairs(table.iter().sum());
    let most = f64::midpoint(in_one, in_other);
    if (most - expected).abs() <= f64::EPSILON * most {
        return 1.0;
    }
    (together - expected) / (most - expected)
}

fn pairs(rows: f64) -> f64 {
    rows * (rows - 1.0) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_that_of_scikit_learn() {
        let one = [0, 0, 0, 1, 1, 1, 2, 2, 2, 2];
        let other = [0, 0, 1, 1, 1, 1, 2, 2, 0, 2];
        // scikit-learn 1.9.1, adjusted_rand_score.
        let near = |ours: f64, theirs: f64| assert!((ours - theirs).abs() < 1e-15, "{ours}");
        near(
            adjusted_rand_index(&one, &other, 3),
            0.431_818_181_818_181_8,
        );
        near(adjusted_rand_index(&one, &[0; 10], 3), 0.0);
        let renamed = one.map(|cluster| (cluster + 1) % 3);
        near(adjusted_rand_index(&one, &renamed, 3), 1.0);
        near(adjusted_rand_index(&[0; 4], &[0; 4], 1), 1.0);
    }
}
