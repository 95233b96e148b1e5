//! What one caller may do, by the rules that were in force when their statement started.

use std::{iter, sync::Arc};

use arrow::datatypes::Schema;

use super::{Access, Caller, Privilege, Restriction, Role, Securable};
use crate::{
    error::{Error, Result},
    lake::{SCHEMAS, TableName},
};

const SYSTEM_SCHEMA: &str = "system";
const INFORMATION_SCHEMA: &str = "information_schema";
/// It holds nobody else's tables.
const TEMPORARY_SCHEMA: &str = "temporary";
/// The column that says whose a row is.
pub(crate) const OWNER_COLUMN: &str = "user_id";
/// The table in which listeners answer recommendations.
const RESPONSES: (&str, &str) = ("silver", "responses");
/// The tables of `system` that only show what the caller may see anyway.
const OPEN_SYSTEM_TABLES: [&str; 1] = ["tables"];
/// The shipped tables that are about music and models, not about one listener: listeners see all their rows. Any other
/// table without a `user_id` has to be granted to them.
const COMMON_TABLES: [(&str, &str); 10] = [
    ("bronze", "catalogue_tracks"),
    ("silver", "tracks"),
    ("silver", "track_genres"),
    ("silver", "track_features"),
    ("ml", "models"),
    ("ml", "metrics"),
    ("ml", "aliases"),
    ("gold", "mode_profiles"),
    ("gold", "mood_predictions"),
    ("gold", "coach_policy"),
];
/// What only admins read: a table's column that others see as NULL.
const ADMIN_COLUMNS: [(&str, &str, &str); 1] = [("ml", "models", "artifact")];

/// The mask that shows nothing.
const NOTHING: &str = "null";

/// A caller and the rules.
#[derive(Debug, Clone)]
pub struct Rights {
    caller: Arc<Caller>,
    access: Arc<Access>,
}

impl Rights {
    /// What `caller` may do under `access`.
    #[must_use]
    pub fn new(caller: Arc<Caller>, access: Arc<Access>) -> Self {
        Self { caller, access }
    }

    /// For whom.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The rules.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Whether whatever they allow is allowed still: the caller is who they were, has no schema or grant less, and no rule
    /// more.
    #[must_use]
    pub fn still_hold(&self, now: &Self) -> bool {
        let (before, after) = (&self.access, &now.access);
        if self.caller != now.caller || Arc::ptr_eq(before, after) {
            return self.caller == now.caller;
        }
        let mut names = iter::once(&self.caller.user).chain(&self.caller.proxy);
        names.all(|name| before.entry(name) == after.entry(name))
            && (self.caller.is_admin() || self.is_within(now))
    }

    /// Whether no schema and no grant has gone, and no rule has come.
    fn is_within(&self, now: &Self) -> bool {
        let (before, after) = (&self.access, &now.access);
        let mut schemas = before.owners.keys().filter(|schema| self.owns(schema));
        let grants = before.grants.iter();
        let mut grants = grants.filter(|grant| self.is_meant(Some(&grant.to)));
        let policies = after.policies.iter();
        let mut policies = policies.filter(|policy| self.is_meant(policy.to.as_deref()));
        let masks = after.masks.iter();
        let mut masks = masks.filter(|mask| self.is_meant(mask.to.as_deref()));
        schemas.all(|schema| now.owns(schema))
            && grants.all(|grant| after.grants.contains(grant))
            && policies.all(|policy| before.policies.contains(policy))
            && masks.all(|mask| before.masks.contains(mask))
    }

    /// Whether the caller may do this with a table or view.
    #[must_use]
    pub fn may(&self, privilege: Privilege, table: &TableName) -> bool {
        self.caller.is_admin()
            || matches!(table.schema.as_str(), INFORMATION_SCHEMA | TEMPORARY_SCHEMA)
            || self.has_by_role(privilege, table)
            || self.owns(&table.schema)
            || self.is_granted(privilege, table)
    }

    /// Whether the caller may do this with everything in a schema, whatever it is called.
    #[must_use]
    pub fn may_everywhere_in(&self, privilege: Privilege, schema: &str) -> bool {
        // A name that no table has: what is granted on tables one by one does not count.
        let any = TableName {
            schema: schema.into(),
            table: String::new(),
        };
        self.may(privilege, &any)
    }

    /// Refuses what the caller may not do with a table or view.
    ///
    /// # Errors
    /// [`Error::Denied`] that says what to ask an admin for.
    pub fn require(&self, privilege: Privilege, table: &TableName) -> Result<()> {
        if self.may(privilege, table) {
            return Ok(());
        }
        let (caller, privilege) = (&self.caller, privilege.name());
        Err(Error::Denied(format!(
            "{caller} has no {privilege} on {table}; an admin can GRANT {privilege} ON {table} TO {}",
            caller.user
        )))
    }

    /// Refuses what only admins may do.
    ///
    /// # Errors
    /// [`Error::Denied`] that names it.
    pub fn require_admin(&self, what: &str) -> Result<()> {
        if self.caller.is_admin() {
            return Ok(());
        }
        Err(Error::Denied(format!(
            "{what} is for admins; {} is none",
            self.caller
        )))
    }

    /// Whether the caller may see that a schema is there.
    #[must_use]
    pub fn may_see_schema(&self, schema: &str) -> bool {
        let granted = |scope: &Securable| match scope {
            Securable::Schema(name) => name == schema,
            Securable::Table(table) => table.schema == schema,
        };
        match self.caller.role {
            Role::Admin | Role::Analyst => true,
            Role::Listener if SCHEMAS.contains(&schema) => true,
            Role::Listener | Role::Proxy => {
                schema == INFORMATION_SCHEMA
                    || self.owns(schema)
                    || self
                        .access
                        .grants
                        .iter()
                        .any(|grant| granted(&grant.on) && self.is_meant(Some(&grant.to)))
            }
        }
    }

    /// Whether the caller sees the statements that made tables and views: they may tell of others.
    #[must_use]
    pub fn sees_statements(&self) -> bool {
        matches!(self.caller.role, Role::Admin | Role::Analyst)
    }

    /// Whether the caller made the schema.
    #[must_use]
    pub fn owns(&self, schema: &str) -> bool {
        self.access.owners.get(schema) == Some(&self.caller.user)
    }

    /// What binds the caller at a table or view with these columns.
    ///
    /// # Errors
    /// [`Error::Denied`] when a listener's rows cannot be told from others'.
    pub fn restriction(
        &self,
        table: &TableName,
        columns: &Schema,
        is_view: bool,
    ) -> Result<Restriction> {
        if self.caller.is_admin()
            || matches!(table.schema.as_str(), INFORMATION_SCHEMA | TEMPORARY_SCHEMA)
        {
            return Ok(Restriction::default());
        }
        let mut restriction = self.written_restriction(table);
        for (schema, name, column) in ADMIN_COLUMNS {
            if (table.schema.as_str(), table.table.as_str()) == (schema, name) {
                restriction.masks.push((column.into(), NOTHING.into()));
            }
        }
        strictest(&mut restriction.masks);
        if self.caller.role == Role::Listener && !self.owns(&table.schema) {
            if columns.column_with_name(OWNER_COLUMN).is_some() {
                let condition = format!("{OWNER_COLUMN} = \"current_user\"()");
                restriction.rows.push(("own rows".into(), condition));
            } else if !is_view && !is_common(table) && !self.is_granted(Privilege::Select, table) {
                return Err(Error::Denied(format!(
                    "{table} has no column {OWNER_COLUMN} that says whose a row is: a listener reads it only when an admin \
                     has said GRANT SELECT ON {table} TO {}",
                    self.caller.user
                )));
            }
        }
        Ok(restriction)
    }

    /// The policies and masks that statements made.
    fn written_restriction(&self, table: &TableName) -> Restriction {
        let policies = self.access.policies.iter();
        let policies =
            policies.filter(|policy| policy.on == *table && self.is_meant(policy.to.as_deref()));
        let masks = self.access.masks.iter();
        let masks = masks.filter(|mask| mask.on == *table && self.is_meant(mask.to.as_deref()));
        Restriction {
            rows: policies
                .map(|policy| (policy.name.clone(), policy.using.clone()))
                .collect(),
            masks: masks
                .map(|mask| (mask.column.clone(), mask.using.clone()))
                .collect(),
        }
    }

    fn is_granted(&self, privilege: Privilege, table: &TableName) -> bool {
        self.access.grants.iter().any(|grant| {
            grant.privilege == privilege && grant.on.covers(table) && self.is_meant(Some(&grant.to))
        })
    }

    /// Whether `to` is the caller, the caller's role, or everybody.
    fn is_meant(&self, to: Option<&str>) -> bool {
        to.is_none_or(|to| to == self.caller.user || to == self.caller.role.name())
    }

    fn has_by_role(&self, privilege: Privilege, table: &TableName) -> bool {
        let schema = table.schema.as_str();
        let is_open = schema != SYSTEM_SCHEMA || OPEN_SYSTEM_TABLES.contains(&table.table.as_str());
        match (self.caller.role, privilege) {
            (Role::Analyst, Privilege::Select) => is_open,
            (Role::Listener, Privilege::Select) => is_open && SCHEMAS.contains(&schema),
            (Role::Listener, Privilege::Insert) => (schema, table.table.as_str()) == RESPONSES,
            _ => false,
        }
    }
}

/// One mask a column: of several none says what may be seen.
fn strictest(masks: &mut Vec<(String, String)>) {
    let mut one_each: Vec<(String, String)> = Vec::with_capacity(masks.len());
    for (column, mask) in masks.drain(..) {
        match one_each.iter_mut().find(|(masked, _)| *masked == column) {
            Some((_, other)) => *other = NOTHING.into(),
            None => one_each.push((column, mask)),
        }
    }
    *masks = one_each;
}

fn is_common(table: &TableName) -> bool {
    COMMON_TABLES.contains(&(table.schema.as_str(), table.table.as_str()))
}
