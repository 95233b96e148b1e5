//! User names with passwords: checked slowly the first time, and at once when the same ones come again.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use datafusion::common::runtime::SpawnedTask;
use tokio::sync::Semaphore;

use super::throttle::Throttle;
use crate::{
    access::{Access, passwords},
    error::{Error, Result},
    server::secret::Secret,
};

const REMEMBERING: &str = "moodlake 2026-11 passwords that were right";
/// Users whose last right password is remembered.
const MAX_REMEMBERED: usize = 10_000;
/// How long a password waits for a core.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Checks passwords, a few at a time.
pub(super) struct Passwords {
    checking: Arc<Semaphore>,
    throttle: Throttle,
    remembered: Mutex<HashMap<String, blake3::Hash>>,
    remembering: [u8; 32],
}

impl Passwords {
    pub(super) fn new(secret: &Secret) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            // Half of them, so that guessing passwords does not keep queries from running.
            checking: Arc::new(Semaphore::new(cores.div_ceil(2))),
            throttle: Throttle::default(),
            remembered: Mutex::default(),
            remembering: secret.key(REMEMBERING),
        }
    }

    /// Refuses all but the password of that user.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], the same whether the user or the password is wrong; [`Error::Exhausted`] when too many
    /// are tried.
    pub(super) async fn check(
        &self,
        access: &Access,
        user: &str,
        password: &str,
        from: Option<IpAddr>,
    ) -> Result<()> {
        let kept = access.users.get(user);
        let kept = kept.and_then(|user| user.password.clone());
        // One for names that are none too: how fast they are refused must not tell them apart.
        let mark = self.mark(user, password, kept.as_deref().unwrap_or_default());
        if self.remembers(user, mark) {
            return Ok(());
        }
        let wrong = || {
            Error::Unauthenticated(format!(
                "the user name or the password is wrong (user '{user}')"
            ))
        };
        let turn = self.throttle.turn(user, from, mark).await?;
        let mut turn = turn.ok_or_else(wrong)?;
        // Somebody may have proved it while this one waited: a pool of connections starts at once.
        if self.remembers(user, mark) {
            return Ok(());
        }
        turn.wait().await;
        let is_right = self.is_right(password.to_string(), kept).await?;
        turn.end(is_right);
        if !is_right {
            return Err(wrong());
        }
        self.remember(user, mark);
        Ok(())
    }

    async fn is_right(&self, password: String, kept: Option<String>) -> Result<bool> {
        let permit = Arc::clone(&self.checking).acquire_owned();
        let Ok(Ok(permit)) = tokio::time::timeout(LONGEST_WAIT, permit).await else {
            return Err(Error::Exhausted(
                "too many passwords are being checked: try again later, or use a token".into(),
            ));
        };
        let check = SpawnedTask::spawn_blocking(move || {
            // Whoever asked may have gone; the core is taken until this is done all the same.
            let _permit = permit;
            passwords::is_right(&password, kept.as_deref())
        });
        check
            .join()
            .await
            .map_err(|error| Error::Internal(format!("password: {error}")))
    }

    /// What is remembered of a password. It holds what was kept of the password then, so that a new one ends it.
    fn mark(&self, user: &str, password: &str, kept: &str) -> blake3::Hash {
        let proved = format!("{user}\n{kept}\n{password}");
        blake3::keyed_hash(&self.remembering, proved.as_bytes())
    }

    fn remembers(&self, user: &str, mark: blake3::Hash) -> bool {
        let remembered = self.remembered.lock();
        let remembered = remembered.unwrap_or_else(PoisonError::into_inner);
        remembered.get(user) == Some(&mark)
    }

    fn remember(&self, user: &str, mark: blake3::Hash) {
        let remembered = self.remembered.lock();
        let mut remembered = remembered.unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(user.to_string(), mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Role, User};

    fn with_password(access: &mut Access, password: &str) {
        let user = User {
            role: Role::Analyst,
            password: Some(passwords::hash(password).unwrap()),
        };
        access.users.insert("ada".into(), user);
    }

    #[tokio::test]
    async fn a_right_password_is_remembered_until_it_changes() {
        let checked = Passwords::new(&Secret::random());
        let mut access = Access::default();
        with_password(&mut access, "correct horse");
        let right = async |access: &Access, password: &str| {
            checked.check(access, "ada", password, None).await.is_ok()
        };
        assert!(!right(&access, "wrong horse").await);
        assert!(right(&access, "correct horse").await);
        assert!(right(&access, "correct horse").await);
        assert!(!right(&access, "wrong horse").await);
        with_password(&mut access, "another horse");
        assert!(!right(&access, "correct horse").await);
        assert!(right(&access, "another horse").await);
        access.users.clear();
        assert!(!right(&access, "another horse").await);
    }

    #[tokio::test]
    async fn it_is_not_told_whether_the_user_or_the_password_is_wrong() {
        let checked = Passwords::new(&Secret::random());
        let mut access = Access::default();
        with_password(&mut access, "correct horse");
        let without = User {
            role: Role::Analyst,
            password: None,
        };
        access.users.insert("carol".into(), without);
        for user in ["ada", "bob", "carol"] {
            let error = checked.check(&access, user, "", None).await.unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("the user name or the password is wrong (user '{user}')")
            );
        }
    }
}
