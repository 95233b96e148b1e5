//! Who may do what: users, roles, grants, row policies and masks, kept in one file beside the lake's tables.
//!
//! A statement runs for a [`Caller`] under the [`Rights`] that were in force when it started. What this room cannot
//! resolve is denied.

mod caller;
mod current_user;
mod document;
mod listing;
mod names;
pub mod passwords;
mod restricted;
mod rights;
mod rule;
mod store;
mod visible;

pub use caller::{Caller, Role};
pub use current_user::functions;
pub use document::{Access, Grant, Mask, Policy, Privilege, Securable, User};
pub(crate) use listing::{LISTINGS, grant_rows};
pub use names::{refuse_reserved, user_name};
pub use restricted::Restriction;
pub(crate) use restricted::{restricted, unreadable};
pub use rights::Rights;
pub(crate) use rule::{evaluable, expression, rule_session, unevaluable};
pub use store::Store;
pub(crate) use visible::{on_visible_rows, policies_refusal};
