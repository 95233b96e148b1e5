//! Rows side by side: the values of one feature of eight rows lie together, so that what is done to one row is done to
//! eight at once by the machine's vector instructions.

use super::{CHUNK_ROWS, scaler::Scaler};

/// Rows worked on at once: eight doubles fill four of the sixteen vector registers of any x86-64.
pub(crate) const LANES: usize = 8;

/// A value of each of eight rows.
pub(crate) type Lane = [f64; LANES];

/// Tiles of a chunk: chunks are what threads share out, and their limits do not depend on the number of threads.
const CHUNK_TILES: usize = CHUNK_ROWS / LANES;

/// Rows of `n_features` finite values each.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// `[n_tiles][n_features][LANES]`; what the last tile has beyond the rows is 0.
    values: Vec<Lane>,
    n_features: usize,
    len: usize,
}

impl Rows {
    /// Rows as they are, of shape `[n_rows][n_features]`.
    #[must_use]
    pub fn new(values: &[f64], n_features: usize) -> Self {
        Self::build(values, n_features, |_, value| value)
    }

    /// The z-scores of rows of shape `[n_rows][n_features]`.
    #[must_use]
    pub fn scaled(values: &[f64], scaler: &Scaler) -> Self {
        Self::build(values, scaler.means.len(), |feature, value| {
            (value - scaler.means[feature]) / scaler.scales[feature]
        })
    }

    fn build(values: &[f64], n_features: usize, of: impl Fn(usize, f64) -> f64) -> Self {
        let n_rows = values.len() / n_features.max(1);
        let mut tiles = vec![[0.0; LANES]; n_rows.div_ceil(LANES) * n_features];
        let rows = values.chunks(n_features.max(1) * LANES);
        for (tile, rows) in tiles.chunks_exact_mut(n_features.max(1)).zip(rows) {
            for (lane, row) in rows.chunks_exact(n_features).enumerate() {
                for (feature, (target, value)) in tile.iter_mut().zip(row).enumerate() {
                    target[lane] = of(feature, *value);
                }
            }
        }
        Self {
            values: tiles,
            n_features,
            len: n_rows,
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Values of each row.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// The value of a feature in a row.
    #[must_use]
    pub fn value(&self, row: usize, feature: usize) -> f64 {
        self.values[row / LANES * self.n_features + feature][row % LANES]
    }

    /// One row; shape `[n_features]`.
    #[must_use]
    pub fn row(&self, row: usize) -> Vec<f64> {
        (0..self.n_features)
            .map(|feature| self.value(row, feature))
            .collect()
    }

    /// The rows at `rows`, in that order; a row may come more than once.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let values: Vec<f64> = rows.iter().flat_map(|&row| self.row(row)).collect();
        Self::new(&values, self.n_features)
    }

    /// The same rows as one piece; shape `[n_rows][n_features]`.
    #[must_use]
    pub fn to_vec(&self) -> Vec<f64> {
        (0..self.len).flat_map(|row| self.row(row)).collect()
    }

    /// What threads share out: [`CHUNK_ROWS`] rows each, the last one what is left.
    pub(crate) fn chunks(&self) -> Vec<Chunk<'_>> {
        let size = CHUNK_TILES * self.n_features.max(1);
        let chunks = self.values.chunks(size).enumerate();
        let chunk = |(at, values)| Chunk {
            values,
            n_features: self.n_features,
            first_row: at * CHUNK_ROWS,
            n_rows: CHUNK_ROWS.min(self.len - at * CHUNK_ROWS),
        };
        chunks.map(chunk).collect()
    }
}

/// Some rows in succession.
#[derive(Clone, Copy)]
pub(crate) struct Chunk<'a> {
    values: &'a [Lane],
    n_features: usize,
    pub(crate) first_row: usize,
    pub(crate) n_rows: usize,
}

impl<'a> Chunk<'a> {
    /// The tiles, `[n_features]` lanes each.
    pub(crate) fn tiles(self) -> impl Iterator<Item = &'a [Lane]> {
        self.values.chunks_exact(self.n_features.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_went_in() {
        let values: Vec<f64> = (0..8202_u32).map(f64::from).collect();
        let rows = Rows::new(&values, 2);
        assert_eq!((rows.len(), rows.n_features()), (CHUNK_ROWS + 5, 2));
        assert_eq!(rows.to_vec(), values);
        assert_eq!(rows.row(CHUNK_ROWS), [8192.0, 8193.0]);
        assert_eq!(
            rows.select(&[3, 3, 0]).to_vec(),
            [6.0, 7.0, 6.0, 7.0, 0.0, 1.0]
        );
        let sizes: Vec<usize> = rows.chunks().iter().map(|chunk| chunk.n_rows).collect();
        assert_eq!(sizes, [CHUNK_ROWS, 5]);
    }
}
