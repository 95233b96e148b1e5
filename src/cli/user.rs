//! `moodlake user`: who may connect to a server of this lake, and as what.

use std::io::Write;

use clap::{Args, Subcommand};

use crate::access::{Access, Role, Store, User, passwords, user_name};
use crate::engine::FileAccess;
use crate::error::{Error, Result};

use super::progress::Progress;
use super::target::{Folder, open};
use super::{Verdict, output, password};

const EXAMPLES: &str = "\
Examples:
  moodlake user add ada --role admin              asks for the password
  moodlake user add bob < password.txt            a listener: sees their own plays
  moodlake user add superset --role proxy         speaks for the users that it names
  moodlake user passwd ada
  moodlake user list

Roles: admin (everything), analyst (reads all, writes in schemas of their own), listener (own rows), proxy (nothing but
to speak for another). A running server knows at once. As long as there are no users, a server takes everybody on its own
machine for the owner, and nobody else.";

/// The arguments of `user`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a user; the password is asked for, or the first line of standard input
    Add {
        /// The name: letters a-z, digits and `_.@-`
        #[arg(value_name = "NAME", value_parser = user_name)]
        name: String,
        /// What the user may do
        #[arg(long, value_name = "ROLE", default_value_t = Role::Listener)]
        role: Role,
        /// For somebody who comes with a certificate, or with a token of another issuer
        #[arg(long)]
        no_password: bool,
        #[command(flatten)]
        folder: Folder,
    },
    /// Change a user's password; whoever is logged in with the old one has to log in again
    Passwd {
        /// The user
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        folder: Folder,
    },
    /// Change a user's role
    Role {
        /// The user
        #[arg(value_name = "NAME")]
        name: String,
        /// What the user may do from now on
        #[arg(value_name = "ROLE")]
        role: Role,
        #[command(flatten)]
        folder: Folder,
    },
    /// Show the users and their roles
    List {
        #[command(flatten)]
        folder: Folder,
    },
    /// Remove a user, with what was granted to them
    Remove {
        /// The user
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        folder: Folder,
    },
}

/// Runs the command.
pub(super) async fn run(arguments: Arguments) -> Result<Verdict> {
    match arguments.action {
        Action::Add {
            name,
            role,
            no_password,
            folder,
        } => add(&name, role, no_password, &folder).await?,
        Action::Passwd { name, folder } => set_password(&name, &store(&folder)?)?,
        Action::Role { name, role, folder } => set_role(&name, role, &store(&folder)?)?,
        Action::List { folder } => list(&*store(&folder)?.current()?)?,
        Action::Remove { name, folder } => remove(&name, &store(&folder)?)?,
    }
    Ok(Verdict::Succeeded)
}

fn store(folder: &Folder) -> Result<Store> {
    Ok(Store::new(&folder.existing()?))
}

/// Adds a user; an empty folder becomes a lake, so that a server can start with users.
async fn add(name: &str, role: Role, no_password: bool, folder: &Folder) -> Result<()> {
    refuse_known(&*store(folder)?.current()?, name)?;
    let password = if no_password {
        None
    } else {
        Some(passwords::hash(&password::new(name)?)?)
    };
    let engine = open(&folder.path(), FileAccess::Under(Vec::new())).await?;
    let user = User { role, password };
    let has_admin = engine.access().change(|access| {
        refuse_known(access, name)?;
        access.users.insert(name.to_string(), user);
        Ok(access.users.values().any(|user| user.role == Role::Admin))
    })?;
    told(&format!("added {name} ({role})"))?;
    if !has_admin {
        Progress::new().note(
            "there is no admin yet: over a server nobody can grant anything; \
             `moodlake user add NAME --role admin` makes one",
        );
    }
    Ok(())
}

/// Refuses a name that is taken, or that people would take for another's.
fn refuse_known(access: &Access, name: &str) -> Result<()> {
    let taken = access
        .users
        .keys()
        .find(|known| known.eq_ignore_ascii_case(name));
    match taken {
        Some(known) => Err(Error::Exists(format!(
            "there is a user '{known}' already; `moodlake user passwd {known}` gives them another password"
        ))),
        None => Ok(()),
    }
}

fn set_password(name: &str, store: &Store) -> Result<()> {
    known(&mut Access::clone(&*store.current()?), name)?;
    let hash = passwords::hash(&password::new(name)?)?;
    store.change(|access| {
        known(access, name)?.password = Some(hash);
        Ok(())
    })?;
    told(&format!("changed the password of {name}"))
}

fn set_role(name: &str, role: Role, store: &Store) -> Result<()> {
    // What refuses leaves nothing in an empty folder.
    known(&mut Access::clone(&*store.current()?), name)?;
    store.change(|access| {
        known(access, name)?.role = role;
        Ok(())
    })?;
    told(&format!("{name} is {role} now"))
}

/// What was granted goes with the user, so that nobody inherits it with the name; what restricts them stays.
fn remove(name: &str, store: &Store) -> Result<()> {
    known(&mut Access::clone(&*store.current()?), name)?;
    let left = store.change(|access| {
        known(access, name)?;
        access.users.remove(name);
        access.grants.retain(|grant| grant.to != name);
        access.owners.retain(|_, owner| owner != name);
        Ok(access.users.len())
    })?;
    told(&format!("removed {name}"))?;
    if left == 0 {
        Progress::new().note(
            "there are no users any more: a server that starts now takes everybody on its own machine for the owner",
        );
    }
    Ok(())
}

fn known<'a>(access: &'a mut Access, name: &str) -> Result<&'a mut User> {
    access.users.get_mut(name).ok_or_else(|| {
        Error::NotFound(format!(
            "there is no user '{name}'; `moodlake user list` shows them"
        ))
    })
}

fn list(access: &Access) -> Result<()> {
    if access.users.is_empty() {
        return told("no users: a server takes everybody on its own machine for the owner");
    }
    let width = access.users.keys().map(String::len).max().unwrap_or(0);
    output::write(|out| {
        for (name, user) in &access.users {
            writeln!(out, "{name:width$}  {}", user.role)?;
        }
        Ok(())
    })
}

fn told(line: &str) -> Result<()> {
    output::write(|out| writeln!(out, "{line}"))
}
