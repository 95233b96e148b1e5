//! What the server keeps for its clients between two calls: prepared statements and results to be fetched, each under a
//! signed handle that says nothing, ends at a time, and belongs to one principal.
//!
//! A handle of somebody else is as unknown as one that never was. Nobody's value makes room for another's, unless its
//! owner has done with it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use uuid::{Uuid, Version};

use super::clock::Clock;
use crate::{
    access::Caller,
    error::{Error, Result},
};

const ID_BYTES: usize = 16;
const END_BYTES: usize = 8;
const SIGNATURE_BYTES: usize = 32;
const HANDLE_BYTES: usize = ID_BYTES + END_BYTES + SIGNATURE_BYTES;

/// To whom something belongs: a user, and the proxy that speaks for them if there is one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Principal {
    user: String,
    proxy: Option<String>,
}

impl Principal {
    pub(crate) fn user(&self) -> &str {
        &self.user
    }
}

impl From<&Caller> for Principal {
    fn from(caller: &Caller) -> Self {
        Self {
            user: caller.user.clone(),
            proxy: caller.proxy.clone(),
        }
    }
}

/// What a store is for, in the words of its messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    /// Such as `prepared statements`; signed too, so that a handle of one kind is none of another.
    pub(crate) plural: &'static str,
    /// How a client gets rid of one.
    pub(crate) remedy: &'static str,
    /// The setting for [`Capacity::per_user`].
    pub(crate) per_user: &'static str,
    /// The setting for [`Capacity::in_all`].
    pub(crate) in_all: &'static str,
}

/// How many values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Capacity {
    pub(crate) per_user: usize,
    pub(crate) in_all: usize,
}

impl Capacity {
    /// From limits, where zero is none.
    pub(crate) fn new(per_user: u64, in_all: u64) -> Self {
        let number = |limit: u64| match usize::try_from(limit) {
            Ok(0) | Err(_) => usize::MAX,
            Ok(number) => number,
        };
        Self {
            per_user: number(per_user),
            in_all: number(in_all),
        }
    }
}

/// How long a value is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetime {
    /// After its last use.
    pub(crate) unused: Duration,
    /// After it was kept, however much it is used and renewed.
    pub(crate) longest: Duration,
}

/// A handle, and how long it is good at least.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    pub(crate) handle: Bytes,
    pub(crate) expires_at: SystemTime,
}

/// A bounded store of values under signed handles.
#[derive(Debug)]
pub(crate) struct Handles<T> {
    kind: Kind,
    capacity: Capacity,
    lifetime: Lifetime,
    clock: Clock,
    /// Whether a value has served its purpose, and may make room.
    is_spent: fn(&T) -> bool,
    /// Random for each process, so that no handle outlives it.
    key: [u8; 32],
    kept: Mutex<Kept<T>>,
}

/// Values by owner and id; ids grow with time.
#[derive(Debug)]
struct Kept<T> {
    by_owner: HashMap<Principal, BTreeMap<Uuid, Entry<T>>>,
    count: usize,
}

#[derive(Debug)]
struct Entry<T> {
    value: Arc<T>,
    used_at: SystemTime,
}

impl<T> Handles<T> {
    /// An empty store.
    pub(crate) fn new(
        kind: Kind,
        capacity: Capacity,
        lifetime: Lifetime,
        clock: Clock,
        is_spent: fn(&T) -> bool,
    ) -> Self {
        Self {
            kind,
            capacity,
            lifetime,
            clock,
            is_spent,
            key: rand::random(),
            kept: Mutex::new(Kept {
                by_owner: HashMap::new(),
                count: 0,
            }),
        }
    }

    /// Keeps a value and returns the handle to it.
    ///
    /// # Errors
    /// [`Error::Exhausted`] when the owner, or all owners together, keep as many as they may.
    pub(crate) fn insert(&self, owner: &Caller, value: T) -> Result<Issued> {
        let (issued, _) = self.insert_with(owner, || value)?;
        Ok(issued)
    }

    /// As [`Handles::insert`], for a value that is made only if there is room for it.
    ///
    /// # Errors
    /// As [`Handles::insert`].
    pub(crate) fn insert_with(
        &self,
        owner: &Caller,
        make: impl FnOnce() -> T,
    ) -> Result<(Issued, Arc<T>)> {
        let now = self.clock.now();
        let owner = Principal::from(owner);
        let id = Uuid::now_v7();
        let mut kept = self.lock();
        self.make_room(&mut kept, &owner, now)?;
        let value = Arc::new(make());
        let entry = Entry {
            value: Arc::clone(&value),
            used_at: now,
        };
        kept.by_owner
            .entry(owner.clone())
            .or_default()
            .insert(id, entry);
        kept.count += 1;
        let issued = self.issue(id, &owner, now, now + self.lifetime.longest);
        Ok((issued, value))
    }

    /// A handle for which nothing is kept, as nothing is left to do: a full store does not refuse it.
    pub(crate) fn done(&self, owner: &Caller) -> Issued {
        let now = self.clock.now();
        // Kept values have ids of another version.
        let id = Uuid::new_v4();
        self.issue(
            id,
            &Principal::from(owner),
            now,
            now + self.lifetime.longest,
        )
    }

    /// Whether a handle of the caller's is one of [`Handles::done`] and has not expired.
    pub(crate) fn is_done(&self, caller: &Caller, handle: &[u8]) -> bool {
        let id = self.signed(&Principal::from(caller), handle);
        id.is_some_and(|(id, ends_at)| {
            id.get_version() == Some(Version::Random) && self.clock.now() < ends_at
        })
    }

    /// The value of a handle of the caller's, unless it is unknown, closed or has expired.
    pub(crate) fn get(&self, caller: &Caller, handle: &[u8]) -> Option<Arc<T>> {
        self.find(&Principal::from(caller), handle)
    }

    /// As [`Handles::get`]; admins reach everybody's.
    pub(crate) fn reach(&self, caller: &Caller, handle: &[u8]) -> Option<Arc<T>> {
        let own = self.get(caller, handle);
        if own.is_some() || !caller.is_admin() {
            return own;
        }
        let owners: Vec<Principal> = self.lock().by_owner.keys().cloned().collect();
        owners.iter().find_map(|owner| self.find(owner, handle))
    }

    /// The same handle, unused for no time: it ends when it would have ended.
    pub(crate) fn renew(&self, caller: &Caller, handle: &[u8]) -> Option<Issued> {
        if !self.is_done(caller, handle) {
            self.get(caller, handle)?;
        }
        let (id, ends_at) = parts(handle)?;
        Some(self.issue(id, &Principal::from(caller), self.clock.now(), ends_at))
    }

    /// Forgets a value of the caller's; an unknown handle is no error, as it may have expired.
    pub(crate) fn remove(&self, caller: &Caller, handle: &[u8]) {
        let owner = Principal::from(caller);
        if self.find(&owner, handle).is_none() {
            return;
        }
        if let Some((id, _)) = parts(handle) {
            self.lock().remove(&owner, id);
        }
    }

    /// Forgets what nobody used for too long.
    pub(crate) fn sweep(&self) {
        let now = self.clock.now();
        self.lock()
            .retain(|entry| !self.has_expired(entry.used_at, now));
    }

    /// How many values are kept.
    pub(crate) fn count(&self) -> usize {
        self.lock().count
    }

    fn find(&self, owner: &Principal, handle: &[u8]) -> Option<Arc<T>> {
        let (id, ends_at) = self.signed(owner, handle)?;
        let now = self.clock.now();
        let mut kept = self.lock();
        let entry = kept.by_owner.get_mut(owner)?.get_mut(&id)?;
        if self.has_expired(entry.used_at, now) {
            kept.remove(owner, id);
            return None;
        }
        if now >= ends_at {
            kept.remove(owner, id);
            return None;
        }
        entry.used_at = now;
        Some(Arc::clone(&entry.value))
    }

    /// The id in a handle, and its end, if it was issued here to this owner.
    fn signed(&self, owner: &Principal, handle: &[u8]) -> Option<(Uuid, SystemTime)> {
        let (id, ends_at) = parts(handle)?;
        let signature = blake3::Hash::from_slice(&handle[ID_BYTES + END_BYTES..]).ok()?;
        // Hashes are compared in constant time.
        (self.signature(id, ends_at, owner) == signature).then_some((id, ends_at))
    }

    fn has_expired(&self, used_at: SystemTime, now: SystemTime) -> bool {
        now >= used_at + self.lifetime.unused
    }

    fn issue(&self, id: Uuid, owner: &Principal, now: SystemTime, ends_at: SystemTime) -> Issued {
        let mut handle = Vec::with_capacity(HANDLE_BYTES);
        handle.extend_from_slice(id.as_bytes());
        handle.extend_from_slice(&seconds(ends_at).to_be_bytes());
        handle.extend_from_slice(self.signature(id, ends_at, owner).as_bytes());
        Issued {
            handle: handle.into(),
            expires_at: ends_at.min(now + self.lifetime.unused),
        }
    }

    fn signature(&self, id: Uuid, ends_at: SystemTime, owner: &Principal) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(id.as_bytes());
        hasher.update(&seconds(ends_at).to_be_bytes());
        let proxy = owner.proxy.as_deref().unwrap_or_default();
        for text in [self.kind.plural, &owner.user, proxy] {
            hasher.update(&(text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.finalize()
    }

    fn make_room(&self, kept: &mut Kept<T>, owner: &Principal, now: SystemTime) -> Result<()> {
        let (kind, capacity) = (&self.kind, self.capacity);
        let is_full_for_owner = |kept: &Kept<T>| {
            let own = kept.by_owner.get(owner);
            own.is_some_and(|own| own.len() >= capacity.per_user)
        };
        let is_full = |kept: &Kept<T>| kept.count >= capacity.in_all;
        if !is_full_for_owner(kept) && !is_full(kept) {
            return Ok(());
        }
        if !kept.remove_first(Some(owner), self.is_spent) {
            kept.retain(|entry| !self.has_expired(entry.used_at, now));
        }
        if is_full_for_owner(kept) {
            let Kind {
                plural,
                remedy,
                per_user: setting,
                ..
            } = kind;
            return Err(Error::Exhausted(format!(
                "{plural}: {} has {}, the most that one user may have: {remedy}, or raise {setting}",
                owner.user, capacity.per_user
            )));
        }
        if is_full(kept) && !kept.remove_first(None, self.is_spent) {
            let Kind {
                plural,
                remedy,
                in_all: setting,
                ..
            } = kind;
            return Err(Error::Exhausted(format!(
                "{plural}: the server keeps {}, the most that it may: {remedy}, try again later, or raise {setting}",
                capacity.in_all
            )));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Kept<T>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Kept<T> {
    fn remove(&mut self, owner: &Principal, id: Uuid) {
        if let Some(own) = self.by_owner.get_mut(owner)
            && own.remove(&id).is_some()
        {
            self.count -= 1;
            if own.is_empty() {
                self.by_owner.remove(owner);
            }
        }
    }

    /// Removes the oldest value that has served its purpose, of one owner or of all. Returns whether there was one.
    fn remove_first(&mut self, owner: Option<&Principal>, is_spent: fn(&T) -> bool) -> bool {
        let oldest = self
            .by_owner
            .iter()
            .filter(|(principal, _)| owner.is_none_or(|owner| owner == *principal))
            .filter_map(|(principal, own)| {
                let (id, _) = own.iter().find(|(_, entry)| is_spent(&entry.value))?;
                Some((*id, principal.clone()))
            })
            .min_by_key(|(id, _)| *id);
        match oldest {
            Some((id, owner)) => {
                self.remove(&owner, id);
                true
            }
            None => false,
        }
    }

    fn retain(&mut self, keep: impl Fn(&Entry<T>) -> bool) {
        self.by_owner.retain(|_, own| {
            own.retain(|_, entry| keep(entry));
            !own.is_empty()
        });
        self.count = self.by_owner.values().map(BTreeMap::len).sum();
    }
}

/// The id in a handle, and the end that it claims.
fn parts(handle: &[u8]) -> Option<(Uuid, SystemTime)> {
    if handle.len() != HANDLE_BYTES {
        return None;
    }
    let id = Uuid::from_slice(&handle[..ID_BYTES]).ok()?;
    let end = handle[ID_BYTES..ID_BYTES + END_BYTES].try_into().ok()?;
    let end = Duration::from_secs(u64::from_be_bytes(end));
    Some((id, UNIX_EPOCH.checked_add(end)?))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |duration| duration.as_secs())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::{
        access::Role,
        server::clock::test::{Hand, clock},
    };

    const KIND: Kind = Kind {
        plural: "things",
        remedy: "close some",
        per_user: "--max-things-per-user",
        in_all: "--max-things",
    };
    const LIFETIME: Lifetime = Lifetime {
        unused: Duration::from_mins(10),
        longest: Duration::from_hours(1),
    };

    fn handles(per_user: usize, in_all: usize) -> (Handles<&'static str>, Hand) {
        let (clock, hand) = clock();
        let capacity = Capacity { per_user, in_all };
        let handles = Handles::new(KIND, capacity, LIFETIME, clock, |value| *value == "spent");
        (handles, hand)
    }

    fn ann() -> Caller {
        Caller::user("ann", Role::Analyst)
    }

    fn keep(handles: &Handles<&'static str>, owner: &Caller, value: &'static str) -> Bytes {
        handles.insert(owner, value).unwrap().handle
    }

    #[test]
    fn a_handle_leads_to_its_value_until_it_is_closed() {
        let (handles, _) = handles(8, 8);
        let (one, two) = (keep(&handles, &ann(), "one"), keep(&handles, &ann(), "two"));
        handles.remove(&ann(), &one);
        assert_eq!(handles.get(&ann(), &one), None);
        assert_eq!(handles.get(&ann(), &two).as_deref(), Some(&"two"));
        assert_eq!(handles.get(&ann(), b"no handle of ours"), None);
        assert_eq!(handles.count(), 1);
    }

    #[test]
    fn a_handle_is_its_owners_and_cannot_be_changed() {
        let (handles, _) = handles(8, 8);
        let handle = keep(&handles, &ann(), "hers");
        let through_proxy = Caller {
            proxy: Some("superset".into()),
            ..ann()
        };
        let bob = Caller::user("bob", Role::Analyst);
        let admin = Caller::user("root", Role::Admin);
        for other in [&through_proxy, &bob, &admin] {
            assert_eq!(handles.get(other, &handle), None, "{other}");
            handles.remove(other, &handle);
        }
        assert_eq!(handles.reach(&bob, &handle), None);
        assert_eq!(handles.reach(&admin, &handle).as_deref(), Some(&"hers"));
        for byte in 0..handle.len() {
            let mut forged = handle.to_vec();
            forged[byte] ^= 1;
            assert_eq!(handles.get(&ann(), &forged), None, "byte {byte}");
        }
        assert!(handles.get(&ann(), &handle).is_some());
    }

    #[test]
    fn a_handle_of_another_process_or_kind_is_unknown() {
        let (one, _) = handles(8, 8);
        let (other, _) = handles(8, 8);
        let handle = keep(&one, &ann(), "one");
        keep(&other, &ann(), "other");
        assert_eq!(other.get(&ann(), &handle), None);
    }

    #[test]
    fn a_value_expires_unless_it_is_used_and_its_handle_in_any_case() {
        let (handles, hand) = handles(8, 8);
        let (used, unused) = (
            keep(&handles, &ann(), "used"),
            keep(&handles, &ann(), "unused"),
        );
        for _ in 0..8 {
            hand.advance(Duration::from_mins(7));
            assert!(handles.get(&ann(), &used).is_some());
        }
        assert_eq!(handles.get(&ann(), &unused), None);
        let renewed = handles.renew(&ann(), &used).unwrap();
        assert_eq!(
            renewed.expires_at,
            handles.clock.now() + Duration::from_mins(4)
        );
        assert!(handles.get(&ann(), &renewed.handle).is_some());
        let again = keep(&handles, &ann(), "again");
        hand.advance(Duration::from_mins(4));
        for handle in [&used, &renewed.handle] {
            assert_eq!(handles.get(&ann(), handle), None);
            assert!(handles.renew(&ann(), handle).is_none());
        }
        hand.advance(Duration::from_mins(10));
        handles.sweep();
        assert_eq!(handles.count(), 0);
        assert!(handles.renew(&ann(), &again).is_none());
    }

    #[test]
    fn a_full_store_says_so_and_takes_nothing_from_others() {
        let (handles, hand) = handles(2, 3);
        let (first, second) = (
            keep(&handles, &ann(), "first"),
            keep(&handles, &ann(), "second"),
        );
        let message = handles.insert(&ann(), "third").unwrap_err().to_string();
        assert_eq!(
            message,
            "things: ann has 2, the most that one user may have: close some, or raise --max-things-per-user"
        );
        let bob = Caller::user("bob", Role::Analyst);
        keep(&handles, &bob, "his");
        let message = handles.insert(&bob, "more").unwrap_err().to_string();
        assert!(message.contains("raise --max-things"), "{message}");
        for handle in [&first, &second] {
            assert!(handles.get(&ann(), handle).is_some());
        }
        hand.advance(LIFETIME.unused);
        keep(&handles, &bob, "in the place of what expired");
        assert_eq!(handles.count(), 1);
    }

    #[test]
    fn what_is_done_has_a_handle_however_full_the_store_is() {
        let (handles, hand) = handles(1, 1);
        let waiting = keep(&handles, &ann(), "waiting");
        let made = Cell::new(false);
        let refused = handles.insert_with(&ann(), || {
            made.set(true);
            "too much"
        });
        assert!(refused.is_err() && !made.get());
        let done = handles.done(&ann()).handle;
        assert!(handles.is_done(&ann(), &done));
        assert!(!handles.is_done(&ann(), &waiting));
        assert!(!handles.is_done(&Caller::user("bob", Role::Analyst), &done));
        assert_eq!(handles.get(&ann(), &done), None);
        assert_eq!(handles.renew(&ann(), &done).unwrap().handle, done);
        let mut forged = waiting.to_vec();
        forged[6] = (forged[6] & 0xf) | 0x40;
        assert!(!handles.is_done(&ann(), &forged));
        hand.advance(LIFETIME.longest);
        assert!(!handles.is_done(&ann(), &done));
    }

    #[test]
    fn what_has_served_its_purpose_makes_room() {
        let (handles, _) = handles(2, 2);
        let waiting = keep(&handles, &ann(), "waiting");
        let spent = keep(&handles, &ann(), "spent");
        keep(&handles, &ann(), "new");
        assert_eq!(handles.get(&ann(), &spent), None);
        assert!(handles.get(&ann(), &waiting).is_some());
    }
}
