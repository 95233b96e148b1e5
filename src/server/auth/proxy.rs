//! Principals that speak for others: a tool with one connection for many readers names the reader of each request.

use tonic::metadata::MetadataMap;

use crate::{
    access::{Access, Caller, Role},
    error::{Error, Result},
};

/// The header that names the user for whom a request is.
const HEADER: &str = "x-moodlake-user";

/// The caller for whom the request of `principal` is: another one, if the header names one and the principal may.
///
/// # Errors
/// [`Error::Denied`] when it may not: a header that was ignored would show the rows of somebody else.
pub(super) fn speak_for(
    principal: Caller,
    access: &Access,
    metadata: &MetadataMap,
) -> Result<Caller> {
    let mut values = metadata.get_all(HEADER).iter();
    let Some(value) = values.next() else {
        return Ok(principal);
    };
    let denied = |why: String| Err(Error::Denied(format!("{HEADER}: {why}")));
    if principal.role != Role::Proxy {
        return denied(format!(
            "only a user with role proxy may speak for another, and {principal} has not that role"
        ));
    }
    let (Ok(name), None) = (value.to_str(), values.next()) else {
        return denied("expected one name of a user".into());
    };
    match access.users.get(name).map(|user| user.role) {
        Some(role @ (Role::Analyst | Role::Listener)) => Ok(Caller {
            proxy: Some(principal.user),
            ..Caller::user(name, role)
        }),
        Some(role @ (Role::Admin | Role::Proxy)) => denied(format!(
            "nobody speaks for a user with role {role}, such as '{name}'"
        )),
        None => denied(format!(
            "'{name}' is no user of this lake; an admin can add them: `moodlake user add {name} --role listener`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::User;

    fn access() -> Access {
        let mut access = Access::default();
        for role in Role::ALL {
            let user = User {
                role,
                password: None,
            };
            access.users.insert(format!("{role}_1"), user);
        }
        access
    }

    fn named(names: &[&str]) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        for name in names {
            metadata.append(HEADER, name.parse().unwrap());
        }
        metadata
    }

    #[test]
    fn a_proxy_speaks_for_analysts_and_listeners_and_stays_known() {
        for (name, role) in [("analyst_1", Role::Analyst), ("listener_1", Role::Listener)] {
            let principal = Caller::user("superset", Role::Proxy);
            let caller = speak_for(principal, &access(), &named(&[name])).unwrap();
            let expected = Caller {
                user: name.into(),
                role,
                proxy: Some("superset".into()),
            };
            assert_eq!(caller, expected);
        }
        let principal = Caller::user("superset", Role::Proxy);
        let itself = speak_for(principal.clone(), &access(), &named(&[])).unwrap();
        assert_eq!(itself, principal);
    }

    #[test]
    fn nobody_else_speaks_for_others_nor_anybody_for_admins() {
        let denied = |role, names: &[&str]| {
            let refused = speak_for(Caller::user("ada", role), &access(), &named(names));
            matches!(refused, Err(Error::Denied(_)))
        };
        for role in [Role::Admin, Role::Analyst, Role::Listener] {
            assert!(denied(role, &["listener_1"]), "{role}");
        }
        for names in [&["admin_1"][..], &["proxy_1"], &["nobody"], &[""]] {
            assert!(denied(Role::Proxy, names), "{names:?}");
        }
        assert!(denied(Role::Proxy, &["analyst_1", "listener_1"]));
    }
}
