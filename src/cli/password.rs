//! Where passwords come from: the environment, a prompt that does not show them, or standard input.

use std::io::{self, BufRead, IsTerminal};

use crate::error::{Error, Result};

const PASSWORD: &str = "MOODLAKE_PASSWORD";

/// What a variable of the environment holds, if it is set to something.
pub(super) fn secret(variable: &str) -> Option<String> {
    std::env::var(variable)
        .ok()
        .filter(|value| !value.is_empty())
}

/// The password of a user of a server.
pub(super) fn known_or_asked(user: &str) -> Result<String> {
    match secret(PASSWORD) {
        Some(password) => Ok(password),
        // Standard input may hold statements, and standard output rows.
        None if io::stderr().is_terminal() => asked(&format!("Password of {user}: ")),
        None => Err(no_terminal("standard error is none")),
    }
}

/// A new password: asked for twice at a terminal, else one line of standard input.
pub(super) fn new(user: &str) -> Result<String> {
    if !io::stdin().is_terminal() {
        return line();
    }
    let password = asked(&format!("New password of {user}: "))?;
    if asked("Once more: ")? != password {
        return Err(Error::Input(
            "the two passwords differ: nothing was changed".into(),
        ));
    }
    Ok(password)
}

fn asked(prompt: &str) -> Result<String> {
    rpassword::prompt_password(prompt).map_err(|error| no_terminal(&error.to_string()))
}

fn no_terminal(why: &str) -> Error {
    Error::Input(format!(
        "there is no terminal to ask for a password ({why}): set {PASSWORD}"
    ))
}

fn line() -> Result<String> {
    let mut text = String::new();
    let read = io::stdin().lock().read_line(&mut text);
    read.map_err(Error::io("standard input"))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Error::Input(
            "standard input holds no password, expected it in the first line".into(),
        ));
    }
    Ok(password.to_string())
}
