//! `DoAction`: the actions whose messages arrow-flight does not have or throws away. The others go through its dispatch.

use arrow_flight::{
    Action, ActionType, CancelFlightInfoRequest, RenewFlightEndpointRequest,
    sql::{
        ActionCancelQueryRequest, ActionCancelQueryResult, ActionCreatePreparedStatementRequest,
        ActionCreatePreparedSubstraitPlanRequest, Any, ProstMessageExt,
    },
};
use bytes::Bytes;
use prost::Message;

use super::{messages::SessionOptions, service::Service};
use crate::error::{Error, Result};

/// What this server offers, and what each is for.
const OFFERED: [(&str, &str); 9] = [
    ("CancelFlightInfo", "ends a statement"),
    (
        "CancelQuery",
        "ends a statement; CancelFlightInfo of older clients",
    ),
    (
        "CloseSession",
        "forgets the options and temporary tables of the session",
    ),
    ("ClosePreparedStatement", "forgets a prepared statement"),
    ("CreatePreparedStatement", "makes a prepared statement"),
    (
        "CreatePreparedSubstraitPlan",
        "makes a prepared statement of a Substrait plan",
    ),
    (
        "GetSessionOptions",
        "tells catalog, schema and time_zone of the session",
    ),
    ("RenewFlightEndpoint", "lets a ticket be good for longer"),
    (
        "SetSessionOptions",
        "sets catalog, schema or time_zone of the session",
    ),
];

/// What `ListActions` answers.
pub(crate) fn offered() -> impl Iterator<Item = ActionType> + Send {
    OFFERED.into_iter().map(|(name, description)| ActionType {
        r#type: name.into(),
        description: description.into(),
    })
}

/// Whether an action is carried out here.
pub(crate) fn is_ours(name: &str) -> bool {
    name != "ClosePreparedStatement" && OFFERED.iter().any(|(offered, _)| *offered == name)
}

impl Service {
    /// The result of an action.
    pub(super) async fn act(&self, action: Action) -> Result<Bytes> {
        let Action { r#type, body } = action;
        let encoded = match r#type.as_str() {
            "CreatePreparedStatement" => {
                let command: ActionCreatePreparedStatementRequest = unpacked(&r#type, &body)?;
                return Ok(self.prepare(command).await?.packed());
            }
            "CreatePreparedSubstraitPlan" => {
                let command: ActionCreatePreparedSubstraitPlanRequest = unpacked(&r#type, &body)?;
                return Ok(self.prepare_substrait(command).await?.packed());
            }
            "CancelQuery" => {
                let request: ActionCancelQueryRequest = unpacked(&r#type, &body)?;
                let result = self.cancel_query(&request)?;
                let result = ActionCancelQueryResult { result };
                result.as_any().encode_to_vec()
            }
            "CancelFlightInfo" => {
                let request: CancelFlightInfoRequest = decoded(&r#type, &body)?;
                self.cancel_info(&request)?.encode_to_vec()
            }
            "RenewFlightEndpoint" => {
                let request: RenewFlightEndpointRequest = decoded(&r#type, &body)?;
                self.renew(request)?.encode_to_vec()
            }
            "SetSessionOptions" => {
                let request: SessionOptions = decoded(&r#type, &body)?;
                self.set_options(&request).encode_to_vec()
            }
            "GetSessionOptions" => self.options().encode_to_vec(),
            "CloseSession" => self.close_session().encode_to_vec(),
            other => return Err(not_offered(other)),
        };
        Ok(encoded.into())
    }
}

/// What an unknown action is answered.
pub(crate) fn not_offered(name: &str) -> Error {
    let names = OFFERED.map(|(name, _)| name).join(", ");
    Error::Unsupported(format!("the action '{name}' is not offered; {names} are"))
}

fn decoded<M: Message + Default>(action: &str, body: &Bytes) -> Result<M> {
    M::decode(body.clone()).map_err(|error| Error::Input(format!("{action}: {error}")))
}

fn unpacked<M: ProstMessageExt + Default>(action: &str, body: &Bytes) -> Result<M> {
    let any: Any = decoded(action, body)?;
    let message = any.unpack()?;
    message.ok_or_else(|| Error::Input(format!("{action}: this is no request for it")))
}
