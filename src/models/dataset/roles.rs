//! Which columns of a query are not features, and what they are for.

use arrow::datatypes::{Field, Schema};

use crate::models::options::Options;

/// Which columns of the query are not features, and how rows are read.
#[derive(Clone, Copy, Default)]
pub(in crate::models) struct Roles<'a> {
    pub(in crate::models) label: Option<&'a str>,
    pub(in crate::models) group: Option<&'a str>,
    pub(in crate::models) fold: Option<&'a str>,
    pub(in crate::models) time: Option<&'a str>,
    /// Rows of the same are one row.
    pub(in crate::models) id: Option<&'a str>,
    /// Whether the label is a number to predict, not a class.
    pub(in crate::models) is_regression: bool,
    /// Whether rows whose features have a null stay, NaN in its place.
    pub(in crate::models) keeps_missing: bool,
    /// Whether of rows that are equal in everything one stays.
    pub(in crate::models) is_distinct: bool,
}

impl<'a> Roles<'a> {
    /// The roles of the columns that a query has for a model with these options.
    pub(in crate::models) fn of(options: &'a Options) -> Self {
        let Some(labelled) = options.labelled() else {
            return Self::default();
        };
        Self {
            label: Some(&labelled.label),
            group: labelled.group.as_deref(),
            fold: labelled.fold.as_deref(),
            time: labelled.time.as_deref(),
            id: labelled.id.as_deref(),
            is_regression: options.is_regression(),
            keeps_missing: options.keeps_missing(),
            is_distinct: labelled.deduplicate,
        }
    }

    /// The other columns of the query, and where they are.
    pub(in crate::models) fn features(
        self,
        schema: &Schema,
    ) -> impl Iterator<Item = (usize, &Field)> {
        let taken = [self.label, self.group, self.fold, self.time, self.id];
        let fields = schema.fields().iter().map(AsRef::as_ref).enumerate();
        fields.filter(move |(_, field)| !taken.contains(&Some(field.name().as_str())))
    }
}
