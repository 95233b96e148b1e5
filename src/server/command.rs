//! Commands of Flight SQL, read from the bytes in which they come.

use arrow_flight::{
    FlightDescriptor,
    flight_descriptor::DescriptorType,
    sql::{Any, Command},
};
use bytes::Bytes;
use prost::Message;

use super::metadata;
use crate::error::{Error, Result};

/// The command in the bytes of a descriptor or ticket.
///
/// # Errors
/// [`Error::Input`] for anything else.
pub(super) fn of_bytes(what: &str, command: &Bytes) -> Result<Command> {
    let any = Any::decode(command.clone()).ok();
    let understood = any.and_then(|any| Command::try_from(any).ok());
    match understood {
        Some(Command::Unknown(any)) => Err(Error::Input(format!(
            "{what}: '{}' is no command of Flight SQL",
            metadata::command_name(&any.type_url)
        ))),
        Some(command) => Ok(command),
        None => Err(Error::Input(format!(
            "{what}: this is no command of Flight SQL"
        ))),
    }
}

/// The command in a descriptor.
///
/// # Errors
/// As [`of_bytes`], and for a path: tables are asked for by SQL.
pub(super) fn of_descriptor(what: &str, descriptor: &FlightDescriptor) -> Result<Command> {
    if descriptor.r#type() == DescriptorType::Path {
        return Err(Error::Input(format!(
            "{what}: paths name nothing here; send a command of Flight SQL, such as a statement"
        )));
    }
    of_bytes(what, &descriptor.cmd)
}

/// The handle in a statement's ticket; none in those of metadata.
///
/// # Errors
/// As [`of_bytes`].
pub(super) fn handle_in(what: &str, ticket: &Bytes) -> Result<Option<Bytes>> {
    Ok(match of_bytes(what, ticket)? {
        Command::TicketStatementQuery(ticket) => Some(ticket.statement_handle),
        _ => None,
    })
}
