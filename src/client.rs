//! What `import`, `build`, `sql`, `demo` and the tests speak: Flight SQL to a server, or the same
//! statement entry within the process. Neither can do what the other cannot.

use std::{error::Error as _, sync::Arc, time::Duration};

use arrow::{
    array::{ArrowPrimitiveType, AsArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, Float64Type, Int64Type, Schema, SchemaRef},
};
use arrow_flight::{
    Action, FlightData, FlightDescriptor, FlightInfo, IpcMessage,
    encode::FlightDataEncoderBuilder,
    error::FlightError,
    flight_service_client::FlightServiceClient,
    sql::{
        CommandStatementIngest, DoPutUpdateResult, ProstMessageExt, TableDefinitionOptions,
        TableExistsOption as Exists, TableNotExistOption as Missing,
        client::FlightSqlServiceClient,
    },
};
use datafusion::{
    common::DataFusionError,
    physical_plan::{
        EmptyRecordBatchStream, SendableRecordBatchStream, stream::RecordBatchStreamAdapter,
    },
};
use futures::{FutureExt, Stream, StreamExt, TryStreamExt, future};
use prost::Message;
use tokio::{sync::oneshot, time::timeout};
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};

use crate::{
    engine::Engine,
    error::{Error, Result},
    lake::TableName,
    server::wire,
    statement::{IngestMode, Outcome},
};

mod address;
mod health;
mod login;

pub(crate) use address::Address;
pub use health::check_health;
pub use login::{Credentials, Login};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// HTTP/2 windows that let a large result flow without waiting for each frame.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// A lake to talk to: the engine in this process, or a server.
#[derive(Clone)]
pub enum Client {
    /// The engine in this process.
    Local(Engine),
    /// A Flight SQL server.
    Remote(RemoteClient),
}

impl Client {
    /// A connection to the server at `grpc://host:port`, `http://host:port` or `host:port`, or with TLS at
    /// `grpc+tls://host:port`, without saying who connects.
    ///
    /// # Errors
    /// [`Error::Input`] for what is no such address, and for a secret that would go to another machine without TLS;
    /// [`Error::Remote`] when nobody answers there.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::connect_as(url, &Login::default()).await
    }

    /// As [`Client::connect`], saying who connects.
    ///
    /// # Errors
    /// As [`Client::connect`], and [`Error::Remote`] when the server does not let them in.
    pub async fn connect_as(url: &str, login: &Login) -> Result<Self> {
        RemoteClient::connect(url, login).await.map(Self::Remote)
    }

    /// The lake's folder, or the server's address.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Local(engine) => engine.lake().root().display().to_string(),
            Self::Remote(remote) => remote.url.clone(),
        }
    }

    /// Ends the session, with its settings and its temporary tables; a server forgets it sooner for that.
    pub async fn close(self) {
        if let Self::Remote(mut remote) = self {
            // A server that does not answer any more has no session to end.
            let closing = remote.flight.do_action(Action::new("CloseSession", ""));
            let _ = timeout(CLOSE_TIMEOUT, closing).await;
        }
    }

    /// Runs a statement, a query or an update.
    ///
    /// # Errors
    /// What is wrong with the statement, or with the way to the server.
    pub async fn run(&self, sql: &str) -> Result<Outcome> {
        match self {
            Self::Local(engine) => Ok(match engine.run(sql, &[]).await? {
                Outcome::Rows(rows) => {
                    let schema = wire::result_schema(&rows.schema());
                    Outcome::Rows(wire::conforming(rows, &schema))
                }
                done => done,
            }),
            Self::Remote(remote) => remote.run(sql).await,
        }
    }

    /// Runs a query and streams its rows; an update runs too, and has none.
    ///
    /// # Errors
    /// As [`Client::run`]; later ones come from the stream.
    pub async fn stream(&self, sql: &str) -> Result<SendableRecordBatchStream> {
        match self.run(sql).await? {
            Outcome::Rows(rows) => Ok(rows),
            Outcome::Changed(_) | Outcome::Done => {
                let schema = Arc::new(Schema::empty());
                Ok(Box::pin(EmptyRecordBatchStream::new(schema)))
            }
        }
    }

    /// Runs a query and collects its rows.
    ///
    /// # Errors
    /// As [`Client::run`].
    pub async fn query(&self, sql: &str) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        let rows = self.stream(sql).await?;
        let schema = rows.schema();
        Ok((schema, rows.try_collect().await?))
    }

    /// Runs an update and says how many rows it changed, if it counts rows.
    ///
    /// # Errors
    /// As [`Client::run`].
    pub async fn execute(&self, sql: &str) -> Result<Option<u64>> {
        match self.run(sql).await? {
            Outcome::Changed(rows) => Ok(Some(rows)),
            Outcome::Done => Ok(None),
            Outcome::Rows(mut rows) => {
                while rows.try_next().await?.is_some() {}
                Ok(None)
            }
        }
    }

    /// Loads batches into a table, all in one commit; returns how many rows.
    ///
    /// # Errors
    /// As the mode demands of the table, and whatever ends the stream of batches.
    pub async fn ingest(
        &self,
        target: &TableName,
        mode: IngestMode,
        batches: SendableRecordBatchStream,
    ) -> Result<u64> {
        match self {
            Self::Local(engine) => {
                let plain = wire::table_schema(&batches.schema());
                let batches = wire::conforming(batches, &plain);
                engine.ingest(target, mode, batches).await
            }
            Self::Remote(remote) => remote.ingest(target, mode, batches).await,
        }
    }
}

/// The texts of a column of an answer.
pub(crate) fn texts(batches: &[RecordBatch], column: usize) -> Result<Vec<Option<String>>> {
    let mut values = Vec::new();
    for batch in batches {
        let array = cast(batch.column(column), &DataType::Utf8)?;
        let texts = array.as_string::<i32>().iter();
        values.extend(texts.map(|value| value.map(str::to_string)));
    }
    Ok(values)
}

/// The whole numbers of a column of an answer.
pub(crate) fn integers(batches: &[RecordBatch], column: usize) -> Result<Vec<Option<i64>>> {
    primitives::<Int64Type>(batches, column)
}

/// The numbers of a column of an answer.
pub(crate) fn floats(batches: &[RecordBatch], column: usize) -> Result<Vec<Option<f64>>> {
    primitives::<Float64Type>(batches, column)
}

fn primitives<T: ArrowPrimitiveType>(
    batches: &[RecordBatch],
    column: usize,
) -> Result<Vec<Option<T::Native>>> {
    let mut values = Vec::new();
    for batch in batches {
        let array = cast(batch.column(column), &T::DATA_TYPE)?;
        values.extend(array.as_primitive::<T>().iter());
    }
    Ok(values)
}

/// A connection to a Flight SQL server; clones share it.
#[derive(Debug, Clone)]
pub struct RemoteClient {
    flight: FlightSqlServiceClient<Channel>,
    url: String,
    /// What to look after when the connection breaks.
    doubt: &'static str,
}

impl RemoteClient {
    async fn connect(url: &str, login: &Login) -> Result<Self> {
        let address: Address = url.parse()?;
        login.check(&address, url)?;
        let endpoint = endpoint(&address, login.authority.as_deref())?;
        let channel = endpoint.connect().await.map_err(|error| Error::Remote {
            code: Code::Unavailable,
            message: format!(
                "cannot connect to {url}: {}; {}",
                root_cause(&error),
                address.remedy()
            ),
        })?;
        let mut flight =
            FlightServiceClient::new(channel).max_decoding_message_size(wire::MAX_MESSAGE_BYTES);
        let mut remote = Self {
            flight: FlightSqlServiceClient::new_from_inner(flight.clone()),
            url: url.to_string(),
            doubt: address.doubt(),
        };
        let token = login.token(&mut flight).await;
        if let Some(token) = token.map_err(|error| remote.failure(error))? {
            remote.flight.set_token(token);
        }
        Ok(remote)
    }

    /// What went wrong; where the connection itself broke, with whom and why.
    fn failure(&self, error: FlightError) -> Error {
        match &error {
            // A status that a server sent has no cause on this side.
            FlightError::Tonic(status) if status.source().is_some() => Error::Remote {
                code: status.code(),
                message: format!(
                    "the connection to {} broke: {}; {}",
                    self.url,
                    root_cause(status.as_ref()),
                    self.doubt
                ),
            },
            _ => wire::flight_error(error),
        }
    }

    /// The server runs an update when it is asked for the result, and answers with an empty schema.
    async fn run(&self, sql: &str) -> Result<Outcome> {
        let mut flight = self.flight.clone();
        let info = flight
            .execute(sql.to_string(), None)
            .await
            .map_err(|error| self.failure(error))?;
        let schema = announced_schema(&info)?;
        if schema.fields().is_empty() {
            return Ok(u64::try_from(info.total_records).map_or(Outcome::Done, Outcome::Changed));
        }
        let ticket = info
            .endpoint
            .into_iter()
            .find_map(|endpoint| endpoint.ticket)
            .ok_or_else(|| Error::Internal("the server gave no ticket for its result".into()))?;
        let batches = flight.do_get(ticket).await;
        let batches = batches.map_err(|error| self.failure(error))?;
        let remote = self.clone();
        let batches = batches.map_err(move |error| DataFusionError::from(remote.failure(error)));
        Ok(Outcome::Rows(Box::pin(RecordBatchStreamAdapter::new(
            schema, batches,
        ))))
    }

    async fn ingest(
        &self,
        target: &TableName,
        mode: IngestMode,
        batches: SendableRecordBatchStream,
    ) -> Result<u64> {
        let (messages, failure) = encoded(ingest_command(target, mode), batches);
        let mut flight = self.flight.clone();
        let answer = async move {
            let results = flight.do_put(messages).await;
            let mut results = results.map_err(|error| self.failure(error))?;
            let result = results.message().await;
            result.map_err(|status| self.failure(FlightError::from(status)))
        };
        let answer = tokio::select! {
            biased;
            // Leaving drops the call: the server sees it broken off, and commits nothing.
            Ok(error) = failure => return Err(error),
            answer = answer => answer?,
        };
        let answer = answer.ok_or_else(|| {
            Error::Internal(format!(
                "the server did not say how many rows went into {target}"
            ))
        })?;
        let answer = DoPutUpdateResult::decode(answer.app_metadata)
            .map_err(|error| Error::Internal(format!("the answer to a load: {error}")))?;
        u64::try_from(answer.record_count)
            .map_err(|_| Error::Internal(format!("the server did not count the rows of {target}")))
    }
}

/// How the server at `address` is spoken to, whose certificate is signed by `authority` or by one the system trusts.
fn endpoint(address: &Address, authority: Option<&[u8]>) -> Result<Endpoint> {
    let endpoint = login::secured(address.endpoint()?, address, authority)?;
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES))
}

fn announced_schema(info: &FlightInfo) -> Result<SchemaRef> {
    Ok(Arc::new(Schema::try_from(IpcMessage(info.schema.clone()))?))
}

fn ingest_command(target: &TableName, mode: IngestMode) -> CommandStatementIngest {
    let (if_not_exist, if_exists) = match mode {
        IngestMode::Create => (Missing::Create, Exists::Fail),
        IngestMode::Append | IngestMode::Fill => (Missing::Fail, Exists::Append),
        IngestMode::Replace => (Missing::Create, Exists::Replace),
        IngestMode::CreateAppend => (Missing::Create, Exists::Append),
    };
    CommandStatementIngest {
        table_definition_options: Some(TableDefinitionOptions {
            if_not_exist: if_not_exist.into(),
            if_exists: if_exists.into(),
        }),
        table: target.table.clone(),
        schema: Some(target.schema.clone()),
        options: (mode == IngestMode::Fill)
            .then(|| (wire::ONLY_IF_EMPTY.to_string(), "true".to_string()))
            .into_iter()
            .collect(),
        ..CommandStatementIngest::default()
    }
}

/// The batches as messages, the command with the first. An error is reported, and the messages then
/// never end, for their end would make the server commit what it has.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the stream of messages must not borrow the command"
)]
fn encoded(
    command: CommandStatementIngest,
    batches: SendableRecordBatchStream,
) -> (
    impl Stream<Item = FlightData> + Send + 'static,
    oneshot::Receiver<Error>,
) {
    let (report, failure) = oneshot::channel();
    let mut report = Some(report);
    let schema = wire::table_schema(&batches.schema());
    let descriptor = FlightDescriptor::new_cmd(command.as_any().encode_to_vec());
    let messages = FlightDataEncoderBuilder::new()
        .with_schema(Arc::clone(&schema))
        .with_flight_descriptor(Some(descriptor))
        .build(
            wire::conforming(batches, &schema)
                .map_err(|error| FlightError::ExternalError(Box::new(error))),
        )
        .filter_map(move |message| match message {
            Ok(message) => future::ready(Some(message)).left_future(),
            Err(error) => {
                if let Some(report) = report.take() {
                    // Nobody listens once the server has answered.
                    let _ = report.send(wire::flight_error(error));
                }
                future::pending().right_future()
            }
        });
    (messages, failure)
}

/// A transport error's own words say only that there was one.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_there_is_said_plainly() {
        let Err(error) = Client::connect("grpc://127.0.0.1:1").await else {
            panic!("something listens on port 1");
        };
        assert!(
            error
                .to_string()
                .starts_with("cannot connect to grpc://127.0.0.1:1")
        );
    }
}
