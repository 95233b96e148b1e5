//! What belongs to the program: the tables behind models, and the schema `system`. Users' statements read them all, and
//! are told here what else they may not do.

use super::references::MODEL_SCHEMA;
use crate::{
    access::LISTINGS,
    audit::{AUDIT, QUERIES},
    error::{Error, Result},
    lake::{TEMPORARY_SCHEMA, TableName},
    models::store::REGISTRY_TABLES,
};

const SYSTEM_SCHEMA: &str = "system";
const INFORMATION_SCHEMA: &str = "information_schema";

/// Refuses every change of what other statements keep, or of what is no table at all.
pub(super) fn refuse_change(name: &TableName) -> Result<()> {
    refuse_schema(&name.schema)?;
    let table = name.table.as_str();
    if name.schema == MODEL_SCHEMA && REGISTRY_TABLES.contains(&table) {
        return Err(Error::Input(format!(
            "{name} is written by CREATE MODEL, ALTER MODEL and DROP MODEL only"
        )));
    }
    if name.schema == SYSTEM_SCHEMA && table == "tables" {
        return Err(Error::Input(format!(
            "{name} shows what is in the lake; it cannot be written"
        )));
    }
    if name.schema == SYSTEM_SCHEMA && [QUERIES, AUDIT].contains(&table) {
        return Err(Error::Input(format!(
            "{name} is written by the server only"
        )));
    }
    if name.schema == SYSTEM_SCHEMA && LISTINGS.contains(&table) {
        return Err(Error::Input(format!(
            "{name} shows the rules; `moodlake user`, GRANT, CREATE ROW POLICY and CREATE MASK change them"
        )));
    }
    Ok(())
}

/// Refuses DROP, OR REPLACE and views besides: the program makes the tables of `system` where they are missing, and
/// counts on what is in them.
pub(super) fn refuse_replacing(name: &TableName) -> Result<()> {
    refuse_change(name)?;
    if name.schema == SYSTEM_SCHEMA {
        return Err(Error::Input(format!(
            "{name}: the tables of schema {SYSTEM_SCHEMA} belong to the program; they cannot be dropped, replaced or made views"
        )));
    }
    Ok(())
}

/// Refuses the schema in which the lake describes itself.
pub(super) fn refuse_schema(schema: &str) -> Result<()> {
    if schema == TEMPORARY_SCHEMA {
        return Err(Error::Input(format!(
            "{TEMPORARY_SCHEMA} is the schema of temporary tables; CREATE TEMPORARY TABLE makes one"
        )));
    }
    if schema == INFORMATION_SCHEMA {
        return Err(Error::Input(format!(
            "{INFORMATION_SCHEMA} describes the lake; it cannot hold tables"
        )));
    }
    Ok(())
}
