//! Tokens of an OIDC issuer: JWTs, checked against the keys that the issuer publishes.
//!
//! A key says itself by which algorithms it is used; what the token says is only compared with that. Keys that sign and
//! check with one secret are none here.

mod keys;

use jsonwebtoken::{Validation, decode, decode_header};
use serde_json::{Map, Value};

use self::keys::Keys;
use super::settings::{Oidc, UserClaim};
use crate::{
    access::{Access, Caller, Role, refuse_reserved},
    error::{Error, Result},
};

/// How far the clocks of the issuer and the server may differ, in seconds.
const LEEWAY_S: u64 = 30;
/// Longer names are no names.
const MAX_NAME_BYTES: usize = 255;

type Claims = Map<String, Value>;

/// The issuer whose tokens are trusted.
pub(super) struct Issuer {
    settings: Oidc,
    keys: Keys,
}

impl Issuer {
    /// Asks nobody yet.
    ///
    /// # Errors
    /// [`Error::Input`] for an address that a token can be forged at.
    pub(super) fn new(settings: Oidc) -> Result<Self> {
        Ok(Self {
            keys: Keys::new(&settings.issuer)?,
            settings,
        })
    }

    /// The user whom a token names: the one in the lake's list, else one with the role that the token names.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for a token that is not good, [`Error::Denied`] for a good one of somebody without a
    /// role here.
    pub(super) async fn identify(&self, access: &Access, token: &str) -> Result<Caller> {
        let claims = self.claims(token).await?;
        let name = self.user(&claims)?;
        if let Some(user) = access.users.get(name) {
            return Ok(Caller::user(name, user.role));
        }
        refuse_reserved(name).map_err(|error| Error::Denied(error.to_string()))?;
        self.role(&claims, name)
            .map(|role| Caller::user(name, role))
    }

    /// What a token says, if the issuer says so.
    async fn claims(&self, token: &str) -> Result<Claims> {
        let header = decode_header(token).map_err(|error| refused(&error))?;
        if header.crit.is_some() {
            return Err(Error::Unauthenticated(
                "the token asks for extensions ('crit') that are not known here".into(),
            ));
        }
        let key = self.keys.find(header.kid.as_deref()).await?;
        let Some(&algorithm) = key.algorithms.first() else {
            return Err(Error::Internal("a key without algorithms".into()));
        };
        let mut validation = Validation::new(algorithm);
        validation.algorithms.clone_from(&key.algorithms);
        validation.leeway = LEEWAY_S;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.settings.issuer]);
        validation.set_audience(&[&self.settings.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        let data = decode::<Claims>(token, &key.decoding, &validation);
        data.map(|data| data.claims)
            .map_err(|error| refused(&error))
    }

    fn user<'a>(&self, claims: &'a Claims) -> Result<&'a str> {
        let claim = self.settings.user_claim;
        let name = claims.get(claim.name()).and_then(Value::as_str);
        let is_name = |name: &&str| {
            !name.is_empty() && name.len() <= MAX_NAME_BYTES && !name.chars().any(char::is_control)
        };
        let name = name.filter(is_name).ok_or_else(|| {
            Error::Unauthenticated(format!(
                "the token has no name of a user in '{}'",
                claim.name()
            ))
        })?;
        let is_verified = claims.get("email_verified") == Some(&Value::Bool(true));
        if claim == UserClaim::Email && !is_verified {
            return Err(Error::Unauthenticated(
                "the token does not say that the address in 'email' is verified ('email_verified')"
                    .into(),
            ));
        }
        Ok(name)
    }

    /// The role that the token names; of several the first as they are listed, which may do most.
    fn role(&self, claims: &Claims, user: &str) -> Result<Role> {
        let Some(claim) = &self.settings.role_claim else {
            return Err(Error::Denied(format!(
                "'{user}' is no user of this lake; an admin can add them: `moodlake user add {user} --role analyst`"
            )));
        };
        let named = nested(claims, claim);
        let is_named = |role: &Role| match named {
            Some(Value::String(text)) => text.split_whitespace().any(|word| word == role.name()),
            Some(Value::Array(values)) => values.iter().any(|value| value == role.name()),
            _ => false,
        };
        Role::ALL.into_iter().find(is_named).ok_or_else(|| {
            Error::Denied(format!(
                "'{user}' is no user of this lake, and '{claim}' of the token names no role, \
                 expected admin, analyst, listener or proxy"
            ))
        })
    }
}

/// A claim by its name, or by a path through objects, such as `realm_access.roles`.
fn nested<'a>(claims: &'a Claims, path: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    let mut parts = path.split('.');
    let first = claims.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

fn refused(error: &jsonwebtoken::errors::Error) -> Error {
    use jsonwebtoken::errors::ErrorKind;
    let why = match error.kind() {
        ErrorKind::ExpiredSignature => "has expired: get a new one",
        ErrorKind::ImmatureSignature => "is not valid yet",
        ErrorKind::InvalidIssuer => "is of another issuer",
        ErrorKind::InvalidAudience => "is for another audience",
        ErrorKind::InvalidSignature => "has a wrong signature",
        ErrorKind::InvalidAlgorithm
        | ErrorKind::InvalidAlgorithmName
        | ErrorKind::UnsupportedAlgorithm => "is signed with another algorithm than its key is for",
        ErrorKind::MissingRequiredClaim(claim) | ErrorKind::InvalidClaimFormat(claim) => {
            return Error::Unauthenticated(format!("the token has no usable '{claim}'"));
        }
        _ => "cannot be read, expected a JWT",
    };
    Error::Unauthenticated(format!("the token {why}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn issuer(user_claim: UserClaim, role_claim: Option<&str>) -> Issuer {
        Issuer::new(Oidc {
            issuer: "https://id.example.org".into(),
            audience: "moodlake".into(),
            user_claim,
            role_claim: role_claim.map(ToString::to_string),
        })
        .unwrap()
    }

    fn claims(value: Value) -> Claims {
        match value {
            Value::Object(claims) => claims,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn the_role_is_the_strongest_that_is_named() {
        let role = |path, value| issuer(UserClaim::Subject, Some(path)).role(&claims(value), "ada");
        assert_eq!(
            role("role", json!({"role": "analyst"})).unwrap(),
            Role::Analyst
        );
        let several = json!({"roles": ["listener", "offline", "analyst"]});
        assert_eq!(role("roles", several).unwrap(), Role::Analyst);
        let nested = json!({"realm_access": {"roles": ["admin"]}});
        assert_eq!(role("realm_access.roles", nested).unwrap(), Role::Admin);
        let address = json!({"https://example.org/role": "listener"});
        assert_eq!(
            role("https://example.org/role", address).unwrap(),
            Role::Listener
        );
        for none in [
            json!({}),
            json!({"role": "Administrator"}),
            json!({"role": {"admin": 1}}),
        ] {
            assert!(matches!(role("role", none), Err(Error::Denied(_))));
        }
        let without = issuer(UserClaim::Subject, None);
        let refused = without.role(&claims(json!({"role": "admin"})), "ada");
        assert!(
            refused
                .unwrap_err()
                .to_string()
                .contains("moodlake user add ada")
        );
    }

    #[test]
    fn an_address_is_a_name_only_when_it_is_verified() {
        let user = |value| {
            let claims = claims(value);
            issuer(UserClaim::Email, None)
                .user(&claims)
                .map(ToString::to_string)
        };
        let ada = "ada@example.org";
        assert_eq!(
            user(json!({"email": ada, "email_verified": true})).unwrap(),
            ada
        );
        for refused in [
            json!({"email": ada}),
            json!({"email": ada, "email_verified": false}),
            json!({"email": ada, "email_verified": "true"}),
            json!({"email_verified": true}),
            json!({"email": "", "email_verified": true}),
            json!({"email": "a\nb", "email_verified": true}),
        ] {
            assert!(user(refused).is_err());
        }
    }
}
