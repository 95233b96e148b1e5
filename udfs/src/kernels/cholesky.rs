//! The Cholesky decomposition of a symmetric, positive definite matrix (Golub and Van Loan 2013, "Matrix computations",
//! algorithm 4.2.1): what solves a Newton step and gives the covariance of its solution.

/// The lower triangle `L` of `A = L Lᵀ`.
#[derive(Clone, Debug)]
pub(super) struct Cholesky {
    /// Row by row; what lies above the diagonal is not looked at.
    lower: Vec<f64>,
    size: usize,
}

impl Cholesky {
    /// Decomposes a matrix of shape `[size][size]`, of which the lower triangle is read; `None` if it is not positive
    /// definite.
    pub(super) fn of(mut matrix: Vec<f64>, size: usize) -> Option<Self> {
        for row in 0..size {
            let (above, own) = matrix.split_at_mut(row * size);
            for column in 0..row {
                let other = &above[column * size..=column * size + column];
                let dot = dot(&own[..column], &other[..column]);
                own[column] = (own[column] - dot) / other[column];
            }
            let left = own[row] - dot(&own[..row], &own[..row]);
            // What rounding leaves of a row that follows from the others.
            if left.is_nan() || left <= own[row].abs() * f64::EPSILON {
                return None;
            }
            own[row] = left.sqrt();
        }
        Some(Self {
            lower: matrix,
            size,
        })
    }

    /// Solves `A x = b`, `b` becoming `x`.
    pub(super) fn solve(&self, b: &mut [f64]) {
        for row in 0..self.size {
            let lower = &self.lower[row * self.size..=row * self.size + row];
            b[row] = (b[row] - dot(&lower[..row], &b[..row])) / lower[row];
        }
        for row in (0..self.size).rev() {
            let lower = &self.lower[row * self.size..=row * self.size + row];
            b[row] /= lower[row];
            let solved = b[row];
            b[..row]
                .iter_mut()
                .zip(lower)
                .for_each(|(b, l)| *b -= l * solved);
        }
    }

    /// One column of the inverse; shape `[size]`.
    pub(super) fn inverse_column(&self, column: usize) -> Vec<f64> {
        let mut unit = vec![0.0; self.size];
        unit[column] = 1.0;
        self.solve(&mut unit);
        unit
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MATRIX: [f64; 9] = [4.0, 0.0, 0.0, 2.0, 5.0, 0.0, -2.0, 3.0, 9.0];

    #[test]
    fn a_system_is_solved() {
        let cholesky = Cholesky::of(MATRIX.to_vec(), 3).unwrap();
        // A (1, 2, 3) for the symmetric A whose lower triangle is above.
        let mut b = [2.0, 21.0, 31.0];
        cholesky.solve(&mut b);
        for (solved, expected) in b.iter().zip([1.0, 2.0, 3.0]) {
            assert!((solved - expected).abs() < 1e-13, "{b:?}");
        }
        let column = cholesky.inverse_column(1);
        let back = 2.0 * column[0] + 5.0 * column[1] + 3.0 * column[2];
        assert!((back - 1.0).abs() < 1e-14);
    }

    #[test]
    fn what_is_not_positive_definite_is_refused() {
        assert!(Cholesky::of(vec![1.0, 0.0, 2.0, 1.0], 2).is_none());
        assert!(Cholesky::of(vec![1.0, 0.0, 1.0, 1.0], 2).is_none());
        assert!(Cholesky::of(vec![f64::NAN], 1).is_none());
    }
}
