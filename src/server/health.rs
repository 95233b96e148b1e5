//! gRPC's health service: everybody may ask it, and it says no while the server shuts down.

use std::sync::Arc;

use arrow_flight::flight_service_server::FlightServiceServer;
use datafusion::common::runtime::SpawnedTask;
use tonic_health::{
    ServingStatus,
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService},
};

use super::front::Front;
use crate::queries::Queries;

/// The name for the server as a whole.
const WHOLE: &str = "";
/// A question names a service.
const QUESTION_BYTES: usize = 1 << 10;

/// The service, and what tells it that the server shuts down as long as it is kept.
pub(super) async fn service(
    queries: &Arc<Queries>,
) -> (HealthServer<HealthService>, SpawnedTask<()>) {
    let reporter = HealthReporter::new();
    say(&reporter, ServingStatus::Serving).await;
    let service = HealthServer::new(HealthService::from_health_reporter(reporter.clone()))
        .max_decoding_message_size(QUESTION_BYTES);
    let queries = Arc::clone(queries);
    let following = SpawnedTask::spawn(async move {
        queries.closed().await;
        say(&reporter, ServingStatus::NotServing).await;
    });
    (service, following)
}

async fn say(reporter: &HealthReporter, status: ServingStatus) {
    let flight = <FlightServiceServer<Front> as tonic::server::NamedService>::NAME;
    for name in [WHOLE, flight] {
        reporter.set_service_status(name, status).await;
    }
}
