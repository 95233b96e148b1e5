//! Sums over rows of factors, written so that compilers use vector registers: rows are padded to whole [`LANES`].

use super::Matrix;

/// Numbers worked on together, and what rows are padded to.
pub(super) const LANES: usize = 8;
/// Rows worked on together: each number of the vector they meet is loaded once for all of them.
const TOGETHER: usize = 4;

type Lanes = [f32; LANES];

fn lanes(row: &[f32]) -> &[Lanes] {
    row.as_chunks().0
}

/// The scalar product of two padded rows.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    for (a, b) in lanes(a).iter().zip(lanes(b)) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    total(&sums)
}

/// Adds `factor * row` to `to`.
pub(super) fn scaled_add(factor: f32, row: &[f32], to: &mut [f32]) {
    for (to, row) in to.iter_mut().zip(row) {
        *to += factor * row;
    }
}

/// Writes the product of a symmetric matrix, `[n * n]`, and a vector.
pub(super) fn times_symmetric(matrix: &[f32], vector: &[f32], product: &mut [f32]) {
    let n = vector.len();
    product.fill(0.0);
    for (rows, factors) in matrix
        .chunks_exact(n * TOGETHER)
        .zip(vector.chunks_exact(TOGETHER))
    {
        let (first, rest) = rows.split_at(n);
        let (second, rest) = rest.split_at(n);
        let (third, fourth) = rest.split_at(n);
        let factors = [factors[0], factors[1], factors[2], factors[3]];
        add_four([first, second, third, fourth], factors, product);
    }
}

/// Adds `of(row · vector, weight) * row` to `sum` for each of the rows `others` of `matrix`.
pub(super) fn add_rows(
    matrix: &Matrix,
    others: &[u32],
    weights: &[f32],
    vector: &[f32],
    of: impl Fn(f32, f32) -> f32,
    sum: &mut [f32],
) {
    let row = |at: u32| matrix.padded_row(at as usize);
    let (fours, last) = others.as_chunks::<TOGETHER>();
    let (weights_of_fours, last_weights) = weights.as_chunks::<TOGETHER>();
    for (four, weights) in fours.iter().zip(weights_of_fours) {
        let rows = four.map(row);
        let similarities = dot_four(rows, vector);
        let factors = std::array::from_fn(|at| of(similarities[at], weights[at]));
        add_four(rows, factors, sum);
    }
    for (&other, &weight) in last.iter().zip(last_weights) {
        let row = row(other);
        scaled_add(of(dot(row, vector), weight), row, sum);
    }
}

fn dot_four(rows: [&[f32]; TOGETHER], vector: &[f32]) -> [f32; TOGETHER] {
    let [first, second, third, fourth] = rows.map(lanes);
    let (mut sums, rest) = ([[0.0; LANES]; TOGETHER], third.iter().zip(fourth));
    for (((vector, a), b), (c, d)) in lanes(vector).iter().zip(first).zip(second).zip(rest) {
        sums[0] = multiply_add(vector, a, sums[0]);
        sums[1] = multiply_add(vector, b, sums[1]);
        sums[2] = multiply_add(vector, c, sums[2]);
        sums[3] = multiply_add(vector, d, sums[3]);
    }
    [
        total(&sums[0]),
        total(&sums[1]),
        total(&sums[2]),
        total(&sums[3]),
    ]
}

fn add_four(rows: [&[f32]; TOGETHER], factors: [f32; TOGETHER], sum: &mut [f32]) {
    let [first, second, third, fourth] = rows;
    let rest = third.iter().zip(fourth);
    for (((sum, a), b), (c, d)) in sum.iter_mut().zip(first).zip(second).zip(rest) {
        *sum += (factors[0] * a + factors[1] * b) + (factors[2] * c + factors[3] * d);
    }
}

fn multiply_add(a: &Lanes, b: &Lanes, sum: Lanes) -> Lanes {
    std::array::from_fn(|lane| sum[lane] + a[lane] * b[lane])
}

// Inlined, the sum across the lanes makes LLVM transpose every row on the way, which takes twice as long.
#[inline(never)]
fn total(sums: &Lanes) -> f32 {
    let halves: [f32; LANES / 2] = std::array::from_fn(|at| sums[at] + sums[at + LANES / 2]);
    (halves[0] + halves[2]) + (halves[1] + halves[3])
}

/// The scalar product of double and single numbers, in doubles.
pub(super) fn exact_dot(a: &[f64], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, &b)| a * f64::from(b)).sum()
}
