//! Moodlake: a mood-aware listening lakehouse. The code map is in `ARCHITECTURE.md`.

pub mod access;
pub mod audit;
pub mod cli;
pub mod client;
pub mod engine;
pub mod error;
pub mod lake;
pub mod limits;
pub mod metrics;
pub mod models;
pub mod pipeline;
pub mod queries;
pub mod server;
pub mod sources;
pub mod statement;
pub mod telemetry;
mod wording;
