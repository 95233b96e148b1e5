//! Rows of a node, side by side: those that go left first, in their order, then those that go right, in theirs.

/// Orders `rows` and says how many go left. `aside` is working space, at least as long as `rows`.
pub(super) fn partition<T: Copy>(
    rows: &mut [T],
    aside: &mut [T],
    is_left: impl Fn(&T) -> bool,
) -> usize {
    let (mut left, mut right) = (0, 0);
    // Both places are written, one of them to be written again: no branch to guess.
    for at in 0..rows.len() {
        let row = rows[at];
        let goes_left = is_left(&row);
        rows[left] = row;
        aside[right] = row;
        left += usize::from(goes_left);
        right += usize::from(!goes_left);
    }
    rows[left..].copy_from_slice(&aside[..right]);
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_keep_their_order() {
        let mut rows = [5, 2, 8, 1, 9, 4, 7];
        let mut aside = [0; 7];
        assert_eq!(partition(&mut rows, &mut aside, |row| row % 2 == 0), 3);
        assert_eq!(rows, [2, 8, 4, 5, 1, 9, 7]);
        assert_eq!(partition(&mut rows, &mut aside, |_| true), 7);
        assert_eq!(partition(&mut rows, &mut aside, |_| false), 0);
        assert_eq!(rows, [2, 8, 4, 5, 1, 9, 7]);
    }
}
