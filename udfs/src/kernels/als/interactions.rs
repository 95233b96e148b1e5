//! Who played what, by user and by item.

/// The pairs that occur, each once, in compressed rows of both directions.
#[derive(Clone, Debug, Default)]
pub struct Interactions {
    pub(super) by_user: Rows,
    pub(super) by_item: Rows,
}

impl Interactions {
    /// The pairs `(user, item, weight)`, each at most once, of so many users and items. The weight, 0 or more, is what the
    /// confidence in a preference has over that of a pair that does not occur.
    #[must_use]
    pub fn new(users: usize, items: usize, pairs: &[(u32, u32, f32)]) -> Self {
        let swapped = |&(user, item, weight): &(u32, u32, f32)| (item, user, weight);
        let mut by_user = pairs.to_vec();
        by_user.sort_unstable_by_key(|&(user, item, _)| (user, item));
        let by_item: Vec<_> = by_user.iter().map(swapped).collect();
        Self {
            by_user: Rows::new(users, &by_user),
            by_item: Rows::new(items, &by_item),
        }
    }

    /// The items of a user, rising, and their weights.
    #[must_use]
    pub fn of_user(&self, user: usize) -> (&[u32], &[f32]) {
        self.by_user.row(user)
    }
}

/// Compressed rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    /// Where each row begins, and where the last one ends; shape `[n_rows + 1]`.
    starts: Vec<usize>,
    others: Vec<u32>,
    weights: Vec<f32>,
}

impl Rows {
    /// Deals entries to their rows; within a row they keep their order.
    fn new(count: usize, entries: &[(u32, u32, f32)]) -> Self {
        let mut starts = vec![0; count + 1];
        for &(row, _, _) in entries {
            starts[row as usize + 1] += 1;
        }
        for row in 0..count {
            starts[row + 1] += starts[row];
        }
        let mut next = starts.clone();
        let mut others = vec![0; entries.len()];
        let mut weights = vec![0.0; entries.len()];
        for &(row, other, weight) in entries {
            let place = &mut next[row as usize];
            others[*place] = other;
            weights[*place] = weight;
            *place += 1;
        }
        Self {
            starts,
            others,
            weights,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    pub(super) fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let range = self.starts[row]..self.starts[row + 1];
        (&self.others[range.clone()], &self.weights[range])
    }
}
