//! `GRANT`, `REVOKE`, row policies and masks: read from tokens, kept in the rules of the lake.

use datafusion::{
    arrow::{
        array::{RecordBatch, RecordBatchOptions},
        compute::can_cast_types,
        datatypes::{DataType, Schema},
    },
    common::{DFSchema, Result as DataFusionResult},
    execution::SessionState,
    logical_expr::{Expr, ExprSchemable, cast},
    sql::sqlparser::tokenizer::Token,
};

use super::{Outcome, Statement, parse, words::Words};
use crate::{
    access::{
        Access, Grant, Mask, Policy, Privilege, Rights, Role, Securable, evaluable, expression,
    },
    engine::Engine,
    error::{Error, Result},
    lake::{TableName, check_part},
    wording::type_name,
};

/// A change of who may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AccessChange {
    Grant(Vec<Grant>),
    Revoke(Vec<Grant>),
    CreatePolicy { policy: Policy, replace: bool },
    CreateMask { mask: Mask, replace: bool },
    DropPolicy(Dropping),
    DropMask(Dropping),
}

/// A policy or mask to be dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dropping {
    name: String,
    on: TableName,
    if_exists: bool,
}

/// The statement, if the tokens begin like one of these; `schema` is that of names that name none.
pub(super) fn parse(tokens: &[Token], schema: &str) -> Result<Option<Statement>> {
    let words = &mut Words::new(tokens);
    let change = if words.take(&["grant"]) {
        AccessChange::Grant(grants(words, "GRANT", "to", schema)?)
    } else if words.take(&["revoke"]) {
        AccessChange::Revoke(grants(words, "REVOKE", "from", schema)?)
    } else if words.take(&["create", "row", "policy"]) {
        create_policy(words, false, schema)?
    } else if words.take(&["create", "or", "replace", "row", "policy"]) {
        create_policy(words, true, schema)?
    } else if words.take(&["create", "mask"]) {
        create_mask(words, false, schema)?
    } else if words.take(&["create", "or", "replace", "mask"]) {
        create_mask(words, true, schema)?
    } else if words.take(&["drop", "row", "policy"]) {
        AccessChange::DropPolicy(dropping(words, "DROP ROW POLICY", schema)?)
    } else if words.take(&["drop", "mask"]) {
        AccessChange::DropMask(dropping(words, "DROP MASK", schema)?)
    } else {
        return Ok(None);
    };
    Ok(Some(Statement::Access(Box::new(change))))
}

/// `privilege, … ON [SCHEMA | TABLE] name TO who`
fn grants(words: &mut Words, statement: &str, toward: &str, schema: &str) -> Result<Vec<Grant>> {
    let mut privileges = Vec::new();
    if words.take(&["all"]) {
        words.take(&["privileges"]);
        privileges.extend(Privilege::ALL);
    } else {
        loop {
            let expected = "ALL, SELECT, INSERT, UPDATE, DELETE, CREATE or DROP";
            let privilege = Privilege::ALL
                .into_iter()
                .find(|privilege| words.take(&[privilege.name()]));
            privileges.push(privilege.ok_or_else(|| words.unexpected(statement, expected))?);
            if words.peek() != Some(&Token::Comma) {
                break;
            }
            words.advance();
        }
    }
    words.expect(statement, &["on"])?;
    let on = if words.take(&["schema"]) {
        let schema = words.identifier(statement, "a schema's name")?;
        check_part("schema", &schema)?;
        Securable::Schema(schema)
    } else {
        words.take(&["table"]);
        Securable::Table(words.table(statement, schema)?)
    };
    words.expect(statement, &[toward])?;
    let to = grantee(words, statement)?;
    words.end(statement)?;
    let grant = |privilege| Grant {
        to: to.clone(),
        privilege,
        on: on.clone(),
    };
    Ok(privileges.into_iter().map(grant).collect())
}

/// A user's or role's name. Names with other characters than letters stand in quotes, double or single.
fn grantee(words: &mut Words, statement: &str) -> Result<String> {
    if let Some(Token::SingleQuotedString(name)) = words.peek() {
        words.advance();
        return Ok(name.clone());
    }
    words.identifier(statement, "the name of a user or role")
}

fn create_policy(words: &mut Words, replace: bool, schema: &str) -> Result<AccessChange> {
    let statement = "CREATE ROW POLICY";
    let name = words.identifier(statement, "the policy's name")?;
    words.expect(statement, &["on"])?;
    let on = words.table(statement, schema)?;
    let to = optional_grantee(words, statement)?;
    words.expect(statement, &["using"])?;
    let using = words.in_brackets(statement)?;
    words.end(statement)?;
    let policy = Policy {
        name,
        on,
        to,
        using,
    };
    Ok(AccessChange::CreatePolicy { policy, replace })
}

/// `name ON table (column) [TO who] USING (expression)`
fn create_mask(words: &mut Words, replace: bool, schema: &str) -> Result<AccessChange> {
    let statement = "CREATE MASK";
    let name = words.identifier(statement, "the mask's name")?;
    words.expect(statement, &["on"])?;
    let on = words.table(statement, schema)?;
    let bracket = |words: &mut Words, token: Token| {
        if words.peek() == Some(&token) {
            words.advance();
            return Ok(());
        }
        Err(words.unexpected(statement, "(column) after the table"))
    };
    bracket(words, Token::LParen)?;
    let column = words.identifier(statement, "a column's name")?;
    bracket(words, Token::RParen)?;
    let to = optional_grantee(words, statement)?;
    words.expect(statement, &["using"])?;
    let using = words.in_brackets(statement)?;
    words.end(statement)?;
    let mask = Mask {
        name,
        on,
        column,
        to,
        using,
    };
    Ok(AccessChange::CreateMask { mask, replace })
}

fn optional_grantee(words: &mut Words, statement: &str) -> Result<Option<String>> {
    if words.take(&["to"]) {
        return grantee(words, statement).map(Some);
    }
    Ok(None)
}

fn dropping(words: &mut Words, statement: &str, schema: &str) -> Result<Dropping> {
    let if_exists = words.take(&["if", "exists"]);
    let name = words.identifier(statement, "its name")?;
    words.expect(statement, &["on"])?;
    let on = words.table(statement, schema)?;
    words.end(statement)?;
    Ok(Dropping {
        name,
        on,
        if_exists,
    })
}

impl Engine {
    /// Changes the rules: for admins, and for the owner of a schema in that schema.
    pub(super) async fn change_access(&self, change: &AccessChange) -> Result<Outcome> {
        let rights = self.rights()?;
        match change {
            AccessChange::Grant(grants) => {
                for grant in grants {
                    require_ownership(&rights, &grant.on)?;
                    self.check_exists(&grant.on)?;
                }
                self.access().change(|access| {
                    known_grantee(access, grants.first().map(|grant| grant.to.as_str()))?;
                    for grant in grants {
                        if !access.grants.contains(grant) {
                            access.grants.push(grant.clone());
                        }
                    }
                    Ok(())
                })?;
            }
            AccessChange::Revoke(grants) => {
                for grant in grants {
                    require_ownership(&rights, &grant.on)?;
                }
                self.access().change(|access| revoke(access, grants))?;
            }
            AccessChange::CreatePolicy { policy, replace } => {
                self.create_policy(&rights, policy, *replace).await?;
            }
            AccessChange::CreateMask { mask, replace } => {
                self.create_mask(&rights, mask, *replace).await?;
            }
            AccessChange::DropPolicy(dropping) => {
                require_ownership(&rights, &Securable::Table(dropping.on.clone()))?;
                self.access().change(|access| {
                    let is_it = |policy: &Policy| dropping.means(&policy.name, &policy.on);
                    dropping.carry_out("row policy", &mut access.policies, is_it)
                })?;
            }
            AccessChange::DropMask(dropping) => {
                require_ownership(&rights, &Securable::Table(dropping.on.clone()))?;
                self.access().change(|access| {
                    let is_it = |mask: &Mask| dropping.means(&mask.name, &mask.on);
                    dropping.carry_out("mask", &mut access.masks, is_it)
                })?;
            }
        }
        Ok(Outcome::Done)
    }

    async fn create_policy(&self, rights: &Rights, policy: &Policy, replace: bool) -> Result<()> {
        require_ownership(rights, &Securable::Table(policy.on.clone()))?;
        let scope = self.scope().await?;
        let (columns, condition) = self
            .planned_over(
                &scope.state,
                &policy.on,
                "row policy",
                &policy.name,
                &policy.using,
            )
            .await?;
        let data_type = condition.get_type(&columns)?;
        if data_type != DataType::Boolean {
            return Err(Error::Input(format!(
                "CREATE ROW POLICY {}: USING has to be a condition, and ({}) is {data_type}",
                policy.name, policy.using
            )));
        }
        self.access().change(|access| {
            known_grantee(access, policy.to.as_deref())?;
            let is_same = |other: &Policy| other.name == policy.name && other.on == policy.on;
            put(
                "row policy",
                &policy.name,
                &mut access.policies,
                policy,
                replace,
                is_same,
            )
        })
    }

    async fn create_mask(&self, rights: &Rights, mask: &Mask, replace: bool) -> Result<()> {
        require_ownership(rights, &Securable::Table(mask.on.clone()))?;
        let scope = self.scope().await?;
        let (columns, seen) = self
            .planned_over(&scope.state, &mask.on, "mask", &mask.name, &mask.using)
            .await?;
        let Ok(column) = columns.inner().field_with_name(&mask.column) else {
            return Err(Error::NotFound(format!(
                "CREATE MASK {}: {} has no column '{}'",
                mask.name, mask.on, mask.column
            )));
        };
        let data_type = seen.get_type(&columns)?;
        let meant = column.data_type();
        // A text that is no constant may be anything; a constant tells by itself.
        let fits = if seen.column_refs().is_empty() && !seen.is_volatile() {
            is_castable(seen, meant, &scope.state)
        } else {
            can_cast_types(&data_type, meant) && (!data_type.is_string() || is_text(meant))
        };
        if !fits {
            return Err(Error::Input(format!(
                "CREATE MASK {0}: mask {0} is {1}, {2} is {3}; cast it",
                mask.name,
                sql_name(&data_type),
                mask.column,
                sql_name(meant)
            )));
        }
        self.access().change(|access| {
            known_grantee(access, mask.to.as_deref())?;
            let is_same = |other: &Mask| {
                (other.name == mask.name || other.column == mask.column && other.to == mask.to)
                    && other.on == mask.on
            };
            refuse_second_mask(&access.masks, mask, is_same)?;
            put(
                "mask",
                &mask.name,
                &mut access.masks,
                mask,
                replace,
                is_same,
            )
        })
    }

    /// A table's columns, and an expression over them.
    async fn planned_over(
        &self,
        state: &SessionState,
        table: &TableName,
        kind: &str,
        name: &str,
        sql: &str,
    ) -> Result<(DFSchema, Expr)> {
        let quoted = |part: &str| format!("\"{}\"", part.replace('"', "\"\""));
        let query = format!(
            "select * from {}.{}",
            quoted(&table.schema),
            quoted(&table.table)
        );
        let plan = state.statement_to_plan(parse::parse_one(&query)?).await?;
        let columns = plan.schema().as_ref().clone();
        let planned = expression(kind, name, sql, columns.inner(), state)?;
        Ok((columns, planned))
    }

    fn check_exists(&self, on: &Securable) -> Result<()> {
        match on {
            Securable::Schema(schema) if !self.lake().schemas()?.contains(schema) => {
                Err(super::ddl::no_schema(schema))
            }
            Securable::Table(name)
                if !self.lake().has_table(name) && self.lake().view(name)?.is_none() =>
            {
                Err(Error::NotFound(format!("table '{name}' not found")))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a constant can stand for a value of the type.
fn is_castable(constant: Expr, data_type: &DataType, state: &SessionState) -> bool {
    let value = || -> DataFusionResult<()> {
        let constant = cast(constant, data_type.clone());
        let constant = evaluable(constant, &DFSchema::empty(), state)?;
        let one_row = RecordBatchOptions::new().with_row_count(Some(1));
        let row = RecordBatch::try_new_with_options(Schema::empty().into(), vec![], &one_row)?;
        constant.evaluate(&row).map(|_| ())
    };
    value().is_ok()
}

fn is_text(data_type: &DataType) -> bool {
    data_type.is_string()
        || matches!(
            data_type,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView
        )
}

fn sql_name(data_type: &DataType) -> String {
    if data_type.is_string() {
        type_name(&DataType::Utf8)
    } else {
        type_name(data_type)
    }
}

fn require_ownership(rights: &Rights, on: &Securable) -> Result<()> {
    let schema = on.schema();
    if rights.owns(schema) {
        return Ok(());
    }
    rights.require_admin(&format!("saying who may do what in schema {schema}"))
}

fn known_grantee(access: &Access, to: Option<&str>) -> Result<()> {
    match to {
        Some(name) if name.parse::<Role>().is_err() && !access.users.contains_key(name) => {
            Err(Error::NotFound(format!(
                "there is no user or role '{name}'; `moodlake user add {name}` makes a user"
            )))
        }
        _ => Ok(()),
    }
}

/// Refuses a mask of a column that another mask hides from the same people, or may hide from them.
fn refuse_second_mask(masks: &[Mask], mask: &Mask, is_same: impl Fn(&Mask) -> bool) -> Result<()> {
    let replaced = masks.iter().position(is_same);
    let others = masks.iter().enumerate();
    let others = others.filter(|(at, _)| Some(*at) != replaced);
    for (_, other) in others {
        if other.on == mask.on
            && other.column == mask.column
            && may_meet(other.to.as_deref(), mask.to.as_deref())
        {
            return Err(Error::Exists(format!(
                "CREATE MASK {}: mask '{}' for {} hides column '{}' of {} already, maybe from the same user; \
                 DROP MASK {} ON {} first",
                mask.name,
                other.name,
                other.to.as_deref().unwrap_or("all"),
                mask.column,
                mask.on,
                other.name,
                other.on
            )));
        }
    }
    Ok(())
}

/// Whether somebody can be meant by both. Any user can be given any role.
fn may_meet(one: Option<&str>, other: Option<&str>) -> bool {
    let (Some(one), Some(other)) = (one, other) else {
        return true;
    };
    let is_role = |name: &str| name.parse::<Role>().is_ok();
    one == other || is_role(one) != is_role(other)
}

fn revoke(access: &mut Access, revoked: &[Grant]) -> Result<()> {
    let before = access.grants.len();
    access.grants.retain(|grant| !revoked.contains(grant));
    let Some(first) = revoked.first().filter(|_| access.grants.len() == before) else {
        return Ok(());
    };
    Err(Error::NotFound(format!(
        "REVOKE: nothing like that was granted on {} to '{}'; SHOW GRANTS lists what was",
        first.on, first.to
    )))
}

/// Adds a rule, in the place of the one that `is_same` finds.
fn put<T: Clone>(
    kind: &str,
    name: &str,
    rules: &mut Vec<T>,
    rule: &T,
    replace: bool,
    is_same: impl Fn(&T) -> bool,
) -> Result<()> {
    match rules.iter_mut().find(|other| is_same(other)) {
        Some(old) if replace => old.clone_from(rule),
        Some(_) => {
            return Err(Error::Exists(format!(
                "{kind} '{name}', or one for the same, exists already; CREATE OR REPLACE replaces it"
            )));
        }
        None => rules.push(rule.clone()),
    }
    Ok(())
}

impl Dropping {
    fn means(&self, name: &str, on: &TableName) -> bool {
        self.name == name && self.on == *on
    }

    fn carry_out<T>(
        &self,
        kind: &str,
        rules: &mut Vec<T>,
        is_it: impl Fn(&T) -> bool,
    ) -> Result<()> {
        let before = rules.len();
        rules.retain(|rule| !is_it(rule));
        if rules.len() < before || self.if_exists {
            return Ok(());
        }
        Err(Error::NotFound(format!(
            "{kind} '{}' on {} not found",
            self.name, self.on
        )))
    }
}
