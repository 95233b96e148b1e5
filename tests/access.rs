//! Who may do what.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod access {
    mod changes;
    mod grants;
    mod harness;
    mod reading;
    mod rules;
}
