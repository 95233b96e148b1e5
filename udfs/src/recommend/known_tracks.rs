//! The catalogue of an earlier call, where the session can tell that its tables have not changed since.
//!
//! Reading 90,000 tracks costs more than choosing among them. A session that keeps a [`TrackMemory`] as an extension of
//! its configuration pays it once for each version of the tables; one without pays it with every call. Nothing is read
//! while planning: a call whose tables are new reads them when it runs, and leaves them here.

use std::{
    any::Any,
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use datafusion::catalog::TableProvider;

use super::catalogue::Catalogue;

/// What stands for the rows of a table: as long as it lives, and wherever it is found again, the rows are the same.
pub type RowsOfTable = Arc<dyn Any + Send + Sync>;

/// Keeps the tracks that `recommend` read last.
pub struct TrackMemory {
    identify: fn(&dyn TableProvider) -> Option<RowsOfTable>,
    last: Mutex<Option<(Tables, Arc<Catalogue>)>>,
}

/// The tables of a catalogue.
type Tables = Vec<Weak<dyn Any + Send + Sync>>;

impl TrackMemory {
    /// A memory that knows tables by what `identify` says of them; of a table without an identity nothing is kept. It must
    /// give none for a table that shows one caller other rows than another.
    #[must_use]
    pub fn new(identify: fn(&dyn TableProvider) -> Option<RowsOfTable>) -> Self {
        Self {
            identify,
            last: Mutex::new(None),
        }
    }
}

impl fmt::Debug for TrackMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackMemory").finish_non_exhaustive()
    }
}

/// What one call knows of earlier ones.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownTracks {
    memory: Option<(Arc<TrackMemory>, Tables)>,
    found: Option<Arc<Catalogue>>,
}

impl KnownTracks {
    /// Looks for the catalogue of these tables; knows nothing where one of them has no identity.
    pub(super) fn of(memory: &Arc<TrackMemory>, tables: &[Arc<dyn TableProvider>]) -> Self {
        let identities: Option<Vec<RowsOfTable>> = tables
            .iter()
            .map(|table| (memory.identify)(table.as_ref()))
            .collect();
        let Some(identities) = identities else {
            return Self::default();
        };
        let tables: Tables = identities.iter().map(Arc::downgrade).collect();
        let last = memory.last.lock().unwrap_or_else(PoisonError::into_inner);
        let found = last.as_ref().and_then(|(known, catalogue)| {
            let same = known.len() == tables.len()
                && known
                    .iter()
                    .zip(&tables)
                    .all(|(left, right)| left.ptr_eq(right));
            same.then(|| Arc::clone(catalogue))
        });
        drop(last);
        Self {
            memory: Some((Arc::clone(memory), tables)),
            found,
        }
    }

    /// The catalogue, if an earlier call left it.
    pub(super) fn found(&self) -> Option<Arc<Catalogue>> {
        self.found.clone()
    }

    /// Leaves a catalogue for later calls.
    pub(super) fn remember(&self, catalogue: Catalogue) -> Arc<Catalogue> {
        let catalogue = Arc::new(catalogue);
        if let Some((memory, tables)) = &self.memory {
            let mut last = memory.last.lock().unwrap_or_else(PoisonError::into_inner);
            *last = Some((tables.clone(), Arc::clone(&catalogue)));
        }
        catalogue
    }
}

/// Two calls are the same only where they found the same catalogue.
impl PartialEq for KnownTracks {
    fn eq(&self, other: &Self) -> bool {
        match (&self.found, &other.found) {
            (Some(left), Some(right)) => Arc::ptr_eq(left, right),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Eq for KnownTracks {}

impl Hash for KnownTracks {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.found.as_ref().map(Arc::as_ptr).hash(state);
    }
}
