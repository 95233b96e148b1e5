//! For whom a statement runs.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What a user is, and may do before anything is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything.
    Admin,
    /// Reads all tables, writes in schemas of their own.
    Analyst,
    /// Reads the rows that carry their own `user_id`, and answers recommendations.
    Listener,
    /// Nothing but to speak for another user.
    Proxy,
}

impl Role {
    /// All roles, in the order in which help lists them.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Analyst, Self::Listener, Self::Proxy];

    /// The name that statements, files and tokens use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Analyst => "analyst",
            Self::Listener => "listener",
            Self::Proxy => "proxy",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or_else(|| {
                Error::Input(format!(
                    "'{text}' is no role, expected admin, analyst, listener or proxy"
                ))
            })
    }
}

/// The user for whom a statement runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The user whose rights apply, as `current_user()` gives it.
    pub user: String,
    /// What that user is.
    pub role: Role,
    /// The principal with role proxy that speaks for the user, if there is one.
    pub proxy: Option<String>,
}

impl Caller {
    /// Whoever may open the lake's folder may do everything in it.
    #[must_use]
    pub fn owner() -> Self {
        Self {
            user: "owner".into(),
            role: Role::Admin,
            proxy: None,
        }
    }

    /// A user who speaks for themselves.
    #[must_use]
    pub fn user(name: impl Into<String>, role: Role) -> Self {
        Self {
            user: name.into(),
            role,
            proxy: None,
        }
    }

    /// Whether everything is allowed.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.user, self.role)
    }
}
