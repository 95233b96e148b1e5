//! Ending what a client started: `CancelFlightInfo`, and `CancelQuery` of older clients.
//!
//! Users end their own statements, admins anybody's. What is ended stops at once, whether its client reads or not, and the
//! client is told.

use arrow_flight::{
    CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightInfo,
    sql::ActionCancelQueryRequest,
};
use prost::Message;

use super::{command, poll, service::Service};
use crate::error::{Error, Result};

impl Service {
    /// `CancelFlightInfo`.
    pub(super) fn cancel_info(
        &self,
        request: &CancelFlightInfoRequest,
    ) -> Result<CancelFlightInfoResult> {
        let info = request.info.as_ref();
        let info = info.ok_or_else(|| Error::Input("CancelFlightInfo: there is no info".into()))?;
        self.cancel(info).map(CancelFlightInfoResult::new)
    }

    /// `CancelQuery`, which is `CancelFlightInfo` as it was; gives the number of the same result.
    pub(super) fn cancel_query(&self, request: &ActionCancelQueryRequest) -> Result<i32> {
        let info = FlightInfo::decode(request.info.clone())
            .map_err(|error| Error::Input(format!("CancelQuery: {error}")))?;
        Ok(self.cancel(&info)? as i32)
    }

    /// Ends the statement behind an info's tickets, or the one that is polled for.
    fn cancel(&self, info: &FlightInfo) -> Result<CancelStatus> {
        let caller = self.engine.caller();
        let reason = format!("the statement was cancelled by {}", caller.user);
        let unknown =
            || Error::NotFound("this statement has ended long since, or never was".into());
        let polled = info.flight_descriptor.as_ref().and_then(poll::handle_in);
        if let Some(handle) = polled {
            let polled = self.shared.polls.reach(caller, &handle);
            return Ok(status(polled.ok_or_else(unknown)?.cancel(reason)));
        }
        let mut was_ended = false;
        for ticket in info.endpoint.iter().filter_map(|end| end.ticket.as_ref()) {
            // Metadata is told at once: it has no handle, and nothing to end.
            let handle = command::handle_in("CancelFlightInfo", &ticket.ticket)?;
            // Nor has a change that is made.
            if let Some(handle) = handle.filter(|handle| !self.is_done(handle)) {
                let answer = self.shared.answers.reach(caller, &handle);
                was_ended |= answer.ok_or_else(unknown)?.cancel(reason.clone());
            }
        }
        Ok(status(was_ended))
    }
}

fn status(was_ended: bool) -> CancelStatus {
    if was_ended {
        CancelStatus::Cancelled
    } else {
        CancelStatus::NotCancellable
    }
}
