//! The rules as the tables `system.users`, `system.grants`, `system.row_policies` and `system.masks`; passwords not among
//! them.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray},
    error::ArrowError,
};

use super::{Access, Grant};

/// The tables that show the rules.
pub(crate) const LISTINGS: [&str; 4] = ["users", "grants", "row_policies", "masks"];

impl Access {
    /// One of the [`LISTINGS`]; `None` for any other name.
    ///
    /// # Errors
    /// Never in practice: all columns are of one length.
    pub(crate) fn listing(&self, table: &str) -> Option<Result<RecordBatch, ArrowError>> {
        Some(match table {
            "users" => self.user_rows(),
            "grants" => grant_rows(&self.grants.iter().collect::<Vec<_>>()),
            "row_policies" => self.policy_rows(),
            "masks" => self.mask_rows(),
            _ => return None,
        })
    }

    fn user_rows(&self) -> Result<RecordBatch, ArrowError> {
        let users: Vec<_> = self.users.iter().collect();
        rows([
            ("user_name", texts(&users, |(name, _)| name)),
            ("role", texts(&users, |(_, user)| user.role.name())),
        ])
    }

    fn policy_rows(&self) -> Result<RecordBatch, ArrowError> {
        let policies = &self.policies;
        let tables: Vec<String> = policies
            .iter()
            .map(|policy| policy.on.to_string())
            .collect();
        rows([
            ("policy", texts(policies, |policy| &policy.name)),
            ("table_name", texts(&tables, String::as_str)),
            ("grantee", options(policies, |policy| policy.to.as_deref())),
            ("condition", texts(policies, |policy| &policy.using)),
        ])
    }

    fn mask_rows(&self) -> Result<RecordBatch, ArrowError> {
        let masks = &self.masks;
        let tables: Vec<String> = masks.iter().map(|mask| mask.on.to_string()).collect();
        rows([
            ("mask", texts(masks, |mask| &mask.name)),
            ("table_name", texts(&tables, String::as_str)),
            ("column_name", texts(masks, |mask| &mask.column)),
            ("grantee", options(masks, |mask| mask.to.as_deref())),
            ("expression", texts(masks, |mask| &mask.using)),
        ])
    }
}

/// Grants as rows.
///
/// # Errors
/// Never in practice: all columns are of one length.
pub(crate) fn grant_rows(grants: &[&Grant]) -> Result<RecordBatch, ArrowError> {
    let objects: Vec<String> = grants.iter().map(|grant| grant.on.to_string()).collect();
    rows([
        ("grantee", texts(grants, |grant| &grant.to)),
        ("privilege", texts(grants, |grant| grant.privilege.name())),
        ("object", texts(&objects, String::as_str)),
    ])
}

fn rows<const N: usize>(columns: [(&str, ArrayRef); N]) -> Result<RecordBatch, ArrowError> {
    RecordBatch::try_from_iter(columns)
}

fn texts<'a, T>(items: &'a [T], text: impl Fn(&'a T) -> &'a str) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(items.iter().map(text)))
}

fn options<'a, T>(items: &'a [T], text: impl Fn(&'a T) -> Option<&'a str>) -> ArrayRef {
    Arc::new(items.iter().map(text).collect::<StringArray>())
}
