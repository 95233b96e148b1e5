//! What the curvature of a logistic regression's loss says: the Hessian of a Newton step, and standard errors.
//!
//! The Hessian of the multinomial log loss is that of Böhning 1992, "Multinomial logistic regression algorithm",
//! doi:10.1007/BF00048682: `Σ (diag(p) - p pᵀ) ⊗ x xᵀ`. The penalty is added to it, and the direction that changes no
//! probability (the same amount on every class) is filled up, which changes no step and is no information.

use super::{
    cholesky::Cholesky,
    logistic_fit::{Problem, count},
    logistic_sums::pairs,
    scaler::Scaler,
};

/// The Hessian, all coefficients of the first column first; its lower triangle at least.
pub(super) fn hessian(problem: &Problem<'_>, curvature: &[f64], size: usize) -> Vec<f64> {
    let columns = problem.columns();
    let order = columns * size;
    let mut hessian = vec![0.0; order * order];
    let by_classes = curvature.chunks_exact(pairs(size).count());
    for ((left, right), sums) in pairs(columns).zip(by_classes) {
        for ((one, other), &sum) in pairs(size).zip(sums) {
            hessian[(left * size + one) * order + right * size + other] = sum;
            hessian[(left * size + other) * order + right * size + one] = sum;
        }
    }
    for at in (0..order).filter(|at| at % size != size - 1) {
        hessian[at * order + at] += problem.l2;
    }
    if columns > 1 {
        // The direction in which all classes change alike gets the curvature that it lacks.
        let fill = filling(problem) / count(columns);
        for left in 0..columns {
            for right in 0..columns {
                for at in 0..size {
                    hessian[(left * size + at) * order + right * size + at] += fill;
                }
            }
        }
    }
    hessian
}

/// The curvature that is given to the direction in which all classes change alike.
fn filling(problem: &Problem<'_>) -> f64 {
    count(problem.labels.len())
}

/// Standard errors of the coefficients of raw features: weights are divided by their scales, and an intercept loses the
/// means' share, whose errors depend on each other.
pub(super) fn std_errors(
    problem: &Problem<'_>,
    scaler: &Scaler,
    curvature: &[f64],
) -> Option<Vec<Vec<f64>>> {
    let (size, columns) = (scaler.means.len() + 1, problem.columns());
    let order = size * columns;
    let cholesky = Cholesky::of(hessian(problem, curvature, size), order)?;
    // The share of the direction that was filled up, whose curvature is no information.
    let filled = |l2: f64| match columns {
        1 => 0.0,
        _ => 1.0 / (count(columns) * (filling(problem) + l2)),
    };
    let of_column = |column: usize| {
        let mut to_raw: Vec<f64> = (scaler.means.iter().zip(&scaler.scales))
            .map(|(mean, scale)| -mean / scale)
            .collect();
        to_raw.push(1.0);
        let squares = to_raw.iter().take(size - 1).map(|share| share * share);
        let of_intercept = filled(0.0) + filled(problem.l2) * squares.sum::<f64>();
        let mut variances: Vec<f64> = (0..size - 1)
            .map(|at| cholesky.inverse_column(column * size + at)[column * size + at])
            .map(|variance| variance - filled(problem.l2))
            .zip(&scaler.scales)
            .map(|(variance, scale)| variance / (scale * scale))
            .collect();
        let mut spread = vec![0.0; order];
        spread[column * size..(column + 1) * size].copy_from_slice(&to_raw);
        cholesky.solve(&mut spread);
        let own = spread[column * size..(column + 1) * size]
            .iter()
            .zip(&to_raw);
        variances.push(own.map(|(spread, share)| spread * share).sum::<f64>() - of_intercept);
        variances.into_iter().map(f64::sqrt).collect::<Vec<f64>>()
    };
    let errors: Vec<Vec<f64>> = (0..columns).map(of_column).collect();
    let is_finite = errors.iter().flatten().all(|error| error.is_finite());
    is_finite.then_some(errors)
}
