//! delta-rs' errors in our words: conflicts apart, so that a statement can be tried again, and what the caller can mend
//! apart from what went wrong here.

use deltalake::{DeltaTableError, kernel::transaction::TransactionError};

use super::TableName;
use crate::error::{Error, without_trace};

/// What delta-rs and DataFusion put before each other's messages.
const LAYERS: [&str; 6] = [
    "Generic DeltaTable error: ",
    "Generic error: ",
    "Kernel error: ",
    "External error: ",
    "Execution error: ",
    "DataFusion error: ",
];
/// What they put before messages about the statement, or a value in it.
const CALLERS_FAULTS: [&str; 3] = ["Error during planning: ", "Schema error: ", "Arrow error: "];

pub(super) fn conflict(name: &TableName) -> Error {
    Error::Conflict(format!(
        "{name}: another writer changed the table at the same time; run the statement again"
    ))
}

pub(super) fn lake_error(name: &TableName, error: DeltaTableError) -> Error {
    match error {
        DeltaTableError::Transaction {
            source:
                TransactionError::CommitConflict(_)
                | TransactionError::VersionAlreadyExists(_)
                | TransactionError::MaxCommitAttempts(_),
        } => conflict(name),
        DeltaTableError::Arrow { source } => Error::Arrow(source),
        DeltaTableError::InvalidData { message } => Error::Constraint(format!("{name}: {message}")),
        other => in_words(name, &other.to_string()),
    }
}

fn in_words(name: &TableName, message: &str) -> Error {
    let mut message = without_trace(message);
    while let Some(inner) = LAYERS.iter().find_map(|layer| message.strip_prefix(layer)) {
        message = inner;
    }
    if message.contains("matched a target row with multiple source rows") {
        return Error::Input(format!(
            "{name}: MERGE: a row of the table matches several rows of the source; make them one, for instance with GROUP BY"
        ));
    }
    let cannot_be_recorded = message.contains("Unable to convert expression to string")
        || message.contains("nondeterministic function");
    if cannot_be_recorded {
        return Error::Unsupported(format!(
            "{name}: a condition of DELETE or MERGE is kept in the table's log, which has no words for TRY_CAST, now() \
             and random(); put the value in, or use INSERT OVERWRITE"
        ));
    }
    let callers = CALLERS_FAULTS
        .iter()
        .find_map(|layer| message.strip_prefix(layer));
    match callers {
        Some(message) => Error::Input(format!("{name}: {message}")),
        None => Error::Lake(format!("{name}: {message}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_traces_and_paths_are_left_out() {
        let name: TableName = "gold.t".parse().unwrap();
        let told = |message: &str| in_words(&name, message).to_string();
        assert_eq!(
            told(
                "Generic DeltaTable error: External error: Kernel error: nothing there\n   0: one\n   1: two"
            ),
            "gold.t: nothing there"
        );
        let duplicates = told(
            "Generic DeltaTable error: MERGE matched a target row with multiple source rows that (file: /tmp/x)",
        );
        assert!(!duplicates.contains("/tmp/x"), "{duplicates}");
        let planning = in_words(&name, "Generic DeltaTable error: Error during planning: no");
        assert!(matches!(planning, Error::Input(_)), "{planning}");
    }
}
