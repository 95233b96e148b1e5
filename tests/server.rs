//! The Flight SQL server, spoken to over a socket as its clients do.
#![expect(
    clippy::unwrap_used,
    reason = "a harness that cannot start is a failed test"
)]

mod server {
    mod audit;
    mod cancel;
    mod concurrency;
    mod explain;
    mod harness;
    mod limits;
    mod load;
    mod many_rows;
    mod metadata;
    mod operation;
    mod parameters;
    mod poll;
    mod prepared;
    mod preparing;
    mod scripts;
    mod security;
    mod sessions;
    mod shapes;
    mod statements;
}
