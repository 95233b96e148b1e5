//! What outlives a statement: the settings that a client chose, and its temporary tables.

use std::sync::{Arc, PoisonError, RwLock};

use crate::{engine::SessionSettings, lake::TemporaryTables};

/// A client's session. Statements take what it is when they start.
#[derive(Debug, Default)]
pub struct Session {
    settings: RwLock<Arc<SessionSettings>>,
    temporary: Arc<TemporaryTables>,
}

impl Session {
    /// The settings as they are now.
    #[must_use]
    pub fn settings(&self) -> Arc<SessionSettings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the settings.
    pub(crate) fn change(&self, change: impl FnOnce(&mut SessionSettings)) {
        let mut settings = self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut settings));
    }

    /// The tables that only this session sees.
    #[must_use]
    pub fn temporary(&self) -> &Arc<TemporaryTables> {
        &self.temporary
    }

    /// Whether nothing would be lost with it.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.temporary.is_empty() && *self.settings() == SessionSettings::default()
    }

    /// Ends it: settings as at the start, no temporary tables.
    pub fn close(&self) {
        self.temporary.clear();
        self.change(|settings| *settings = SessionSettings::default());
    }
}
