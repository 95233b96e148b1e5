//! The Flight SQL server, spoken to over a socket as its clients do.

mod server {
    mod harness;
    mod load;
    mod metadata;
    mod prepared;
    mod statements;
}
