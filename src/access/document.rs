//! What is kept: users with their roles, grants, owners of schemas, row policies and masks.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Role;
use crate::{
    error::{Error, Result},
    lake::TableName,
};

/// Everything that says who may do what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// The users by name.
    #[serde(default)]
    pub users: BTreeMap<String, User>,
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
#[serde(try_from = "String", into = "String")]
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
}

impl fmt::Display for Securable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema(schema) => f.write_str(schema),
            Self::Table(name) => name.fmt(f),
        }
    }
}

impl From<Securable> for String {
    fn from(scope: Securable) -> Self {
        scope.to_string()
    }
}

impl TryFrom<String> for Securable {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        if text.contains('.') {
            TableName::from_str(&text).map(Self::Table)
        } else {
            Ok(Self::Schema(text))
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
    //! Table names as texts.

    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    use crate::lake::TableName;

    pub(super) fn serialize<S: Serializer>(
        name: &TableName,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(name)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<TableName, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}
