//! What is kept: users with their roles, grants, owners of schemas, row policies and masks.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Role;
use crate::{
    error::{Error, Result},
    lake::{TableName, check_part},
};

/// Everything that says who may do what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// The users by name.
    #[serde(default)]
    pub users: BTreeMap<String, User>,
    /// What the last change of each user's entry is called. No two changes are called alike, so what is bound to an entry
    /// stays over when the entry becomes again what it was. Entries of before this was kept have none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) changes: BTreeMap<String, String>,
    /// The user who made each schema, and has every privilege in it.
    #[serde(default)]
    pub owners: BTreeMap<String, String>,
    /// What was granted, in the order in which it was.
    #[serde(default)]
    pub grants: Vec<Grant>,
    /// Row policies.
    #[serde(default)]
    pub policies: Vec<Policy>,
    /// Column masks.
    #[serde(default)]
    pub masks: Vec<Mask>,
}

impl Access {
    /// The user's entry and what its last change is called.
    pub(crate) fn entry(&self, user: &str) -> Option<(&User, Option<&str>)> {
        let change = self.changes.get(user).map(String::as_str);
        self.users.get(user).map(|entry| (entry, change))
    }

    /// Names the changes that were made to users since `before`.
    pub(super) fn name_changes(&mut self, before: &Self) {
        self.changes.retain(|name, _| self.users.contains_key(name));
        for (name, user) in &self.users {
            if before.users.get(name) != Some(user) {
                let change = Uuid::new_v4().simple().to_string();
                self.changes.insert(name.clone(), change);
            }
        }
    }
}

/// A user of this lake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// What the user is.
    pub role: Role,
    /// The password as a PHC string of argon2id; none for users who come with a certificate or a token of others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// What can be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Privilege {
    /// Read rows.
    Select,
    /// Add rows.
    Insert,
    /// Change rows.
    Update,
    /// Remove rows.
    Delete,
    /// Make tables, views and models in a schema.
    Create,
    /// Take away or replace tables and views.
    Drop,
}

impl Privilege {
    /// All privileges, which is what `GRANT ALL` gives.
    pub const ALL: [Self; 6] = [
        Self::Select,
        Self::Insert,
        Self::Update,
        Self::Delete,
        Self::Create,
        Self::Drop,
    ];

    /// The word that GRANT takes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Create => "CREATE",
            Self::Drop => "DROP",
        }
    }
}

/// On what a privilege is granted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Named", into = "Named")]
pub enum Securable {
    /// A schema with all that is in it now and later.
    Schema(String),
    /// One table or view.
    Table(TableName),
}

impl Securable {
    /// Whether a table lies in this scope.
    #[must_use]
    pub fn covers(&self, table: &TableName) -> bool {
        match self {
            Self::Schema(schema) => *schema == table.schema,
            Self::Table(name) => name == table,
        }
    }

    /// The schema that it is or lies in.
    #[must_use]
    pub fn schema(&self) -> &str {
        match self {
            Self::Schema(schema) => schema,
            Self::Table(table) => &table.schema,
        }
    }
}

impl fmt::Display for Securable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema(schema) => f.write_str(schema),
            Self::Table(name) => name.fmt(f),
        }
    }
}

/// How a schema or table is kept: its parts apart, so that none can be taken for another.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    schema: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    table: Option<String>,
}

impl From<Securable> for Named {
    fn from(scope: Securable) -> Self {
        match scope {
            Securable::Schema(schema) => Self {
                schema,
                table: None,
            },
            Securable::Table(TableName { schema, table }) => Self {
                schema,
                table: Some(table),
            },
        }
    }
}

impl TryFrom<Named> for Securable {
    type Error = Error;

    fn try_from(named: Named) -> Result<Self> {
        match named.table {
            Some(table) => TableName::new(named.schema, table).map(Self::Table),
            None => check_part("schema", &named.schema).map(|()| Self::Schema(named.schema)),
        }
    }
}

/// One privilege of one user or role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// A user, or a role for all who have it.
    pub to: String,
    /// What may be done.
    pub privilege: Privilege,
    /// With what.
    pub on: Securable,
}

/// Which rows of a table others than admins see and write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Its name, one of its own for each table.
    pub name: String,
    /// The table.
    #[serde(with = "table_name")]
    pub on: TableName,
    /// A user or role; all but admins when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// A condition on the table's columns, in SQL.
    pub using: String,
}

/// What others than admins see in place of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mask {
    /// Its name, one of its own for each table.
    pub name: String,
    /// The table.
    #[serde(with = "table_name")]
    pub on: TableName,
    /// The column.
    pub column: String,
    /// A user or role; all but admins when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// An expression over the table's columns, in SQL.
    pub using: String,
}

mod table_name {
    //! Table names as [`Named`](super::Named) keeps them.

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

    use super::Securable;
    use crate::lake::TableName;

    pub(super) fn serialize<S: Serializer>(
        name: &TableName,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        Securable::Table(name.clone()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<TableName, D::Error> {
        match Securable::deserialize(deserializer)? {
            Securable::Table(name) => Ok(name),
            Securable::Schema(schema) => Err(D::Error::custom(format!(
                "a row policy or mask in schema '{schema}' names no table"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_and_a_table_are_never_taken_for_one_another() {
        let table = Securable::Table("gold.notes".parse().unwrap());
        let schema = Securable::Schema("gold".into());
        for (scope, kept) in [
            (&table, r#"{"schema":"gold","table":"notes"}"#),
            (&schema, r#"{"schema":"gold"}"#),
        ] {
            assert_eq!(serde_json::to_string(scope).unwrap(), kept);
            assert_eq!(serde_json::from_str::<Securable>(kept).unwrap(), *scope);
        }
        for bad in [
            r#""gold.notes""#,
            r#"{"schema":"gold.notes"}"#,
            r#"{"schema":"moodlake","table":"gold.notes"}"#,
            r#"{"schema":"gold","tabel":"notes"}"#,
        ] {
            assert!(serde_json::from_str::<Securable>(bad).is_err(), "{bad}");
        }
    }
}
