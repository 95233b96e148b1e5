//! A column of names: labels, groups, folds.

use std::collections::HashMap;

use arrow::{
    array::{ArrayRef, AsArray},
    compute::cast,
    datatypes::DataType,
};

use crate::error::Result;

/// Marks a null in a column of codes.
pub(super) const NULL: u32 = u32::MAX;

/// A column of names, each row as an index into the sorted distinct names.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::models) struct Codes {
    pub(in crate::models) names: Vec<String>,
    pub(in crate::models) of_row: Vec<u32>,
}

impl Codes {
    /// The codes of a column that comes in pieces.
    pub(super) fn of<'a>(columns: impl Iterator<Item = &'a ArrayRef>) -> Result<Self> {
        let mut codes = Self::default();
        let mut seen: HashMap<String, u32> = HashMap::new();
        for column in columns {
            codes.append(column, &mut seen)?;
        }
        Ok(codes.sorted())
    }

    fn append(&mut self, column: &ArrayRef, seen: &mut HashMap<String, u32>) -> Result<()> {
        let column = cast(column, &DataType::Utf8)?;
        for name in column.as_string::<i32>() {
            let Some(name) = name else {
                self.of_row.push(NULL);
                continue;
            };
            let known = seen.get(name).copied();
            let code = known.unwrap_or_else(|| {
                let code = u32::try_from(self.names.len()).unwrap_or(NULL);
                seen.insert(name.to_owned(), code);
                self.names.push(name.to_owned());
                code
            });
            self.of_row.push(code);
        }
        Ok(())
    }

    pub(in crate::models) fn select(&self, rows: &[usize]) -> Self {
        Self {
            names: self.names.clone(),
            of_row: rows.iter().map(|&row| self.of_row[row]).collect(),
        }
    }

    /// The same without names that no row has, and those names.
    pub(super) fn without_unused(self) -> (Self, Vec<String>) {
        let mut is_used = vec![false; self.names.len()];
        for &code in &self.of_row {
            is_used[code as usize] = true;
        }
        let (used, unused): (Vec<usize>, Vec<usize>) =
            (0..is_used.len()).partition(|&at| is_used[at]);
        let unused = unused.iter().map(|&at| self.names[at].clone()).collect();
        (self.renumbered(&used), unused)
    }

    /// The same names in sorted order, numbers by value.
    fn sorted(self) -> Self {
        let mut order: Vec<usize> = (0..self.names.len()).collect();
        let name = |at: usize| &self.names[at];
        let numbers: Option<Vec<i128>> = self.names.iter().map(|name| name.parse().ok()).collect();
        match numbers {
            // Two names may be one number, such as 7 and 07.
            Some(numbers) => order.sort_by_key(|&at| (numbers[at], name(at))),
            None => order.sort_by_key(|&at| name(at)),
        }
        self.renumbered(&order)
    }

    /// The names at `order` in that order; the others must have no rows.
    pub(in crate::models) fn renumbered(&self, order: &[usize]) -> Self {
        let mut new_code = vec![NULL; self.names.len()];
        for (code, &at) in (0_u32..).zip(order) {
            new_code[at] = code;
        }
        let of_row = self
            .of_row
            .iter()
            .map(|&code| new_code.get(code as usize).copied().unwrap_or(NULL))
            .collect();
        Self {
            names: order.iter().map(|&at| self.names[at].clone()).collect(),
            of_row,
        }
    }
}
