//! What a statement's caller must have been given for what it writes. What it reads is checked where it is read: tables by
//! the catalogue, models by the functions that use them.

use arrow::datatypes::Schema;
use datafusion::sql::sqlparser::ast;

use super::{IngestMode, Planned, batch_plan, references::MODEL_SCHEMA};
use crate::{
    access::{Privilege, Restriction, Rights, grant_rows},
    engine::Engine,
    error::{Error, Result},
    lake::{TableName, Target},
};

impl Engine {
    /// Refuses a statement whose caller may not change its target so; tells what binds the rows that it writes.
    pub(super) fn check_change(
        &self,
        target: &mut Target,
        statement: &ast::Statement,
    ) -> Result<()> {
        let rights = self.rights()?;
        let name = target.name.clone();
        for privilege in privileges(statement) {
            rights.require(privilege, &name)?;
        }
        let restriction = rights.restriction(&name, &target.schema(), false)?;
        if restriction.is_empty() {
            return Ok(());
        }
        match statement {
            ast::Statement::Insert(insert) if !insert.overwrite => {}
            ast::Statement::Delete(_) => {}
            _ => {
                return Err(Error::Denied(format!(
                    "{name}: row policies or masks apply to {caller}, who may INSERT and DELETE only, not MERGE, UPDATE or \
                     overwrite",
                    caller = rights.caller()
                )));
            }
        }
        target.restrict(restriction);
        Ok(())
    }

    /// As [`Engine::check_change`], for a bulk load.
    pub(super) fn check_ingest(&self, target: &mut Target, mode: IngestMode) -> Result<()> {
        let rights = self.rights()?;
        let is_new = !target.exists() || matches!(mode, IngestMode::Create | IngestMode::Replace);
        if is_new {
            return check_new(&rights, &target.name, target.exists());
        }
        rights.require(Privilege::Insert, &target.name)?;
        target.restrict(rights.restriction(&target.name, &target.schema(), false)?);
        Ok(())
    }

    /// Refuses a name under which the caller may not make a table or view, or may not replace the one that is there.
    pub(super) fn check_create(&self, name: &TableName, replaces: bool) -> Result<()> {
        check_new(&self.rights()?, name, replaces)
    }

    /// Refuses a model that the caller may not make, replace or take away.
    pub(super) fn check_model(&self, privilege: Privilege, model: &str) -> Result<()> {
        let name = TableName::new(MODEL_SCHEMA, super::references::model_name(model))?;
        self.rights()?.require(privilege, &name)
    }

    /// Refuses the history of a table that the caller does not see all of: it tells of every row's commit.
    pub(super) fn check_history(&self, name: &TableName, columns: &Schema) -> Result<()> {
        let rights = self.rights()?;
        rights.require(Privilege::Select, name)?;
        if rights.restriction(name, columns, false)? == Restriction::default() {
            return Ok(());
        }
        rights.require_admin(&format!(
            "the history of {name}, which {} sees in part only,",
            rights.caller().user
        ))
    }

    /// What was granted: all of it to admins, to others what is theirs.
    pub(super) fn plan_show_grants(&self) -> Result<Planned> {
        let rights = self.rights()?;
        let caller = rights.caller();
        let is_shown =
            |to: &str| caller.is_admin() || to == caller.user || to == caller.role.name();
        let grants = rights.access().grants.iter();
        let grants: Vec<_> = grants.filter(|grant| is_shown(&grant.to)).collect();
        let batch = grant_rows(&grants)?;
        let plan = batch_plan("grants", batch)?;
        Ok(Planned::query(plan, self.bare_scope()?.state))
    }
}

fn check_new(rights: &Rights, name: &TableName, replaces: bool) -> Result<()> {
    rights.require(Privilege::Create, name)?;
    if replaces {
        rights.require(Privilege::Drop, name)?;
    }
    Ok(())
}

/// What INSERT, DELETE and MERGE take; an UPDATE is a MERGE by now.
fn privileges(statement: &ast::Statement) -> Vec<Privilege> {
    match statement {
        ast::Statement::Insert(insert) if insert.overwrite => {
            vec![Privilege::Insert, Privilege::Delete]
        }
        ast::Statement::Insert(_) => vec![Privilege::Insert],
        ast::Statement::Delete(_) => vec![Privilege::Select, Privilege::Delete],
        ast::Statement::Merge(merge) => {
            let clauses = merge.clauses.iter().map(|clause| match clause.action {
                ast::MergeAction::Insert(_) => Privilege::Insert,
                ast::MergeAction::Update(_) => Privilege::Update,
                ast::MergeAction::Delete { .. } => Privilege::Delete,
            });
            std::iter::once(Privilege::Select).chain(clauses).collect()
        }
        _ => Privilege::ALL.to_vec(),
    }
}
