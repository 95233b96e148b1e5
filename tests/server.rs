//! The Flight SQL server, spoken to over a socket as its clients do.
#![expect(
    clippy::unwrap_used,
    reason = "a harness that cannot start is a failed test"
)]

mod server {
    mod cancel;
    mod concurrency;
    mod explain;
    mod harness;
    mod load;
    mod metadata;
    mod parameters;
    mod poll;
    mod prepared;
    mod scripts;
    mod security;
    mod sessions;
    mod statements;
}
