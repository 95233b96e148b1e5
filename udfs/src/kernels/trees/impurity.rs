//! How pure a node of a forest is: Gini's index for classes, the squared error for a number.
//!
//! A split is judged by what it leaves to be judged: a higher score is a lower impurity, summed over the rows (Breiman,
//! Friedman, Olshen & Stone 1984, "Classification and Regression Trees", sections 4.3 and 8.4). For classes the score of
//! weighted counts `c` is `Σ c² / Σ c`, for numbers with sum `s` over `n` rows it is `s² / n`.

/// What a forest's tree learns; a sum is `W` numbers over some rows.
pub(super) trait Impurity<const W: usize>: Sync {
    /// A row of the tree, with what it adds to a sum.
    type Row: Copy + Send;

    /// Row `row`, drawn `times` times.
    fn row(&self, row: u32, times: u16) -> Self::Row;
    /// Which row it is.
    fn index(row: &Self::Row) -> usize;
    /// Adds a row to a sum.
    fn add(sums: &mut [f64; W], row: &Self::Row);
    /// Whether all rows are of one class or one number: nothing to split.
    fn is_pure(&self, rows: &[Self::Row]) -> bool;
    /// Rows in a sum, a row drawn twice counting twice.
    fn cover(sums: &[f64; W]) -> f64;
    /// The score of a sum.
    fn score(&self, sums: &[f64; W]) -> f64;
    /// Appends what a leaf with this sum answers.
    fn answer(&self, sums: &[f64; W], values: &mut Vec<f64>);
}

/// Classes of rows. A sum has the rows of each class, and zeros up to `W`.
pub(super) struct ClassLabels<'a, const W: usize> {
    pub(super) of_row: &'a [u32],
    pub(super) n_classes: usize,
    /// The weight of each class, and zeros up to `W`.
    pub(super) weights: [f64; W],
}

/// A row with a class.
#[derive(Clone, Copy)]
pub(super) struct ClassRow {
    row: u32,
    class: u16,
    times: u16,
}

impl<const W: usize> Impurity<W> for ClassLabels<'_, W> {
    type Row = ClassRow;

    fn row(&self, row: u32, times: u16) -> ClassRow {
        let class = self.of_row[row as usize];
        ClassRow {
            row,
            class: u16::try_from(class).unwrap_or(u16::MAX),
            times,
        }
    }

    fn index(row: &ClassRow) -> usize {
        row.row as usize
    }

    #[inline]
    fn add(sums: &mut [f64; W], row: &ClassRow) {
        sums[usize::from(row.class) % W] += f64::from(row.times);
    }

    fn is_pure(&self, rows: &[ClassRow]) -> bool {
        rows.windows(2).all(|two| two[0].class == two[1].class)
    }

    #[inline]
    fn cover(sums: &[f64; W]) -> f64 {
        sums.iter().sum()
    }

    #[inline]
    fn score(&self, sums: &[f64; W]) -> f64 {
        let (mut total, mut squares) = (0.0, 0.0);
        for (sum, weight) in sums.iter().zip(&self.weights) {
            let weighted = sum * weight;
            total += weighted;
            squares += weighted * weighted;
        }
        squares / total
    }

    fn answer(&self, sums: &[f64; W], values: &mut Vec<f64>) {
        let weighted = |class: usize| sums[class] * self.weights[class];
        let total: f64 = (0..self.n_classes).map(weighted).sum();
        // Two classes have one answer: the share of the second.
        let first = usize::from(self.n_classes == 2);
        values.extend((first..self.n_classes).map(|class| weighted(class) / total));
    }
}

/// Numbers of rows. A sum has the count of rows, then what their numbers are above the mean of all.
pub(super) struct NumberLabels<'a> {
    pub(super) of_row: &'a [f64],
    /// What all sums are taken from, so that large numbers lose no digits.
    pub(super) mean: f64,
}

/// A row with a number.
#[derive(Clone, Copy)]
pub(super) struct NumberRow {
    row: u32,
    times: u16,
    above_mean: f64,
}

impl Impurity<2> for NumberLabels<'_> {
    type Row = NumberRow;

    fn row(&self, row: u32, times: u16) -> NumberRow {
        NumberRow {
            row,
            times,
            above_mean: self.of_row[row as usize] - self.mean,
        }
    }

    fn index(row: &NumberRow) -> usize {
        row.row as usize
    }

    #[inline]
    fn add(sums: &mut [f64; 2], row: &NumberRow) {
        let times = f64::from(row.times);
        sums[0] += times;
        sums[1] += times * row.above_mean;
    }

    fn is_pure(&self, rows: &[NumberRow]) -> bool {
        let same = |a: f64, b: f64| a.to_bits() == b.to_bits();
        rows.windows(2)
            .all(|two| same(two[0].above_mean, two[1].above_mean))
    }

    #[inline]
    fn cover(sums: &[f64; 2]) -> f64 {
        sums[0]
    }

    #[inline]
    fn score(&self, sums: &[f64; 2]) -> f64 {
        sums[1] * sums[1] / sums[0]
    }

    fn answer(&self, sums: &[f64; 2], values: &mut Vec<f64>) {
        values.push(self.mean + sums[1] / sums[0]);
    }
}
