//! What users may be called.

use super::{Caller, Role};
use crate::error::{Error, Result};

/// Longer names are mistakes.
const MAX_LENGTH: usize = 128;

/// The name of a user to be made, which has to be one that statements, headers and files can carry.
///
/// # Errors
/// [`Error::Input`] that says what a name may be.
pub fn user_name(name: &str) -> Result<String> {
    let is_usual =
        |character: char| character.is_ascii_alphanumeric() || "_.@-".contains(character);
    if name.is_empty() || name.len() > MAX_LENGTH || !name.chars().all(is_usual) {
        return Err(Error::Input(format!(
            "'{name}' cannot be the name of a user, expected letters a-z, digits and '_.@-', \
             at most {MAX_LENGTH} of them"
        )));
    }
    refuse_reserved(name)?;
    Ok(name.to_string())
}

/// Refuses names that mean more than one person, whoever vouches for them.
///
/// # Errors
/// [`Error::Input`] that says what the name stands for.
pub fn refuse_reserved(name: &str) -> Result<()> {
    if Role::ALL
        .iter()
        .any(|role| role.name().eq_ignore_ascii_case(name))
    {
        return Err(Error::Input(format!(
            "'{name}' is a role and cannot be the name of a user; add a user with `--role {name}`"
        )));
    }
    if name.eq_ignore_ascii_case(&Caller::owner().user) {
        return Err(Error::Input(format!(
            "'{name}' stands for whoever may open the lake's folder and cannot be the name of a user"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_that_a_header_can_carry() {
        for name in ["ada", "Ada.L-1_x", "ada@example.org", "1"] {
            assert_eq!(user_name(name).unwrap(), name);
        }
        let long = "a".repeat(MAX_LENGTH + 1);
        for name in [
            "", "ada l", "ada:b", "ada'", "zoë", "a\nb", "../x", "*", &long,
        ] {
            let message = user_name(name).unwrap_err().to_string();
            assert!(
                message.contains("cannot be the name of a user"),
                "{message}"
            );
        }
    }

    #[test]
    fn a_role_and_the_owner_are_no_users() {
        for name in ["admin", "Analyst", "listener", "proxy", "owner", "OWNER"] {
            assert!(user_name(name).is_err(), "{name}");
        }
    }
}
