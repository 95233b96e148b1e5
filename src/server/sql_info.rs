//! `SqlInfo`: what this server says it can do. Every code that a driver asks for is answered, in the
//! arm of the union that the driver reads; Arrow's JDBC driver up to 18.3 fails on a missing one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, MapArray, RecordBatch, StructArray, UnionArray,
    },
    compute::filter_record_batch,
    datatypes::{DataType, Field, Fields, Schema, SchemaRef, UInt32Type, UnionFields},
};
use arrow_flight::sql::{
    SqlInfo, SqlNullOrdering, SqlOuterJoinsSupportLevel, SqlSupportedCaseSensitivity,
    SqlSupportedGroupBy, SqlSupportedResultSetConcurrency, SqlSupportedResultSetType,
    SqlSupportedSubqueries, SqlSupportedTransaction, SqlSupportedUnions,
    SqlSupportsConvert as Convert, SupportedSqlGrammar, metadata::SqlInfoDataBuilder,
};
use datafusion::{execution::SessionState, logical_expr::ScalarUDF};
use datafusion_substrait::substrait;

use super::wire;
use crate::{
    error::{Error, Result},
    limits::Limits,
};

/// Words that start or shape statements here beyond SQL:2003.
const KEYWORDS: &[&str] = &[
    "DESCRIBE",
    "EXPLAIN",
    "HISTORY",
    "ILIKE",
    "LIMIT",
    "MODEL",
    "MODELS",
    "OFFSET",
    "OVERWRITE",
    "QUALIFY",
    "REPLACE",
    "SHOW",
    "VERSION",
];

const STRINGS: &[(SqlInfo, &str)] = &[
    (SqlInfo::FlightSqlServerName, "Moodlake"),
    (SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION")),
    (SqlInfo::FlightSqlServerArrowVersion, arrow::ARROW_VERSION),
    (SqlInfo::SqlIdentifierQuoteChar, "\""),
    (SqlInfo::SqlSearchStringEscape, "\\"),
    (SqlInfo::SqlExtraNameCharacters, ""),
    (SqlInfo::SqlSchemaTerm, "schema"),
    (SqlInfo::SqlProcedureTerm, "procedure"),
    (SqlInfo::SqlCatalogTerm, "catalog"),
];

const YES: &[SqlInfo] = &[
    SqlInfo::FlightSqlServerSql,
    SqlInfo::FlightSqlServerSubstrait,
    SqlInfo::FlightSqlServerBulkIngestion,
    SqlInfo::FlightSqlServerCancel,
    SqlInfo::SqlDdlSchema,
    SqlInfo::SqlDdlTable,
    SqlInfo::SqlAllTablesAreSelectable,
    SqlInfo::SqlSupportsColumnAliasing,
    SqlInfo::SqlNullPlusNullIsNull,
    SqlInfo::SqlSupportsTableCorrelationNames,
    SqlInfo::SqlSupportsExpressionsInOrderBy,
    SqlInfo::SqlSupportsOrderByUnrelated,
    SqlInfo::SqlSupportsLikeEscapeClause,
    SqlInfo::SqlSupportsNonNullableColumns,
    SqlInfo::SqlCatalogAtStart,
    SqlInfo::SqlCorrelatedSubqueriesSupported,
    SqlInfo::SqlMaxRowSizeIncludesBlobs,
    SqlInfo::SqlBatchUpdatesSupported,
];

const NO: &[SqlInfo] = &[
    SqlInfo::FlightSqlServerReadOnly,
    SqlInfo::FlightSqlServerIngestTransactionsSupported,
    SqlInfo::SqlDdlCatalog,
    SqlInfo::SqlSupportsDifferentTableCorrelationNames,
    SqlInfo::SqlSupportsIntegrityEnhancementFacility,
    SqlInfo::SqlSelectForUpdateSupported,
    SqlInfo::SqlStoredProceduresSupported,
    SqlInfo::SqlTransactionsSupported,
    SqlInfo::SqlDataDefinitionCausesTransactionCommit,
    SqlInfo::SqlDataDefinitionsInTransactionsIgnored,
    SqlInfo::SqlSavepointsSupported,
    SqlInfo::SqlNamedParametersSupported,
    SqlInfo::SqlLocatorsUpdateCopy,
    SqlInfo::SqlStoredFunctionsUsingCallSyntaxSupported,
];

/// Limits, all unknown or absent: zero says so.
const UNLIMITED: &[SqlInfo] = &[
    SqlInfo::SqlMaxBinaryLiteralLength,
    SqlInfo::SqlMaxCharLiteralLength,
    SqlInfo::SqlMaxColumnNameLength,
    SqlInfo::SqlMaxColumnsInGroupBy,
    SqlInfo::SqlMaxColumnsInIndex,
    SqlInfo::SqlMaxColumnsInOrderBy,
    SqlInfo::SqlMaxColumnsInSelect,
    SqlInfo::SqlMaxColumnsInTable,
    SqlInfo::SqlMaxConnections,
    SqlInfo::SqlMaxCursorNameLength,
    SqlInfo::SqlMaxIndexLength,
    SqlInfo::SqlDbSchemaNameLength,
    SqlInfo::SqlMaxProcedureNameLength,
    SqlInfo::SqlMaxCatalogNameLength,
    SqlInfo::SqlMaxRowSize,
    SqlInfo::SqlMaxStatements,
    SqlInfo::SqlMaxTableNameLength,
    SqlInfo::SqlMaxTablesInSelect,
    SqlInfo::SqlMaxUsernameLength,
    // No transaction, so no isolation level: SQL_TRANSACTION_NONE.
    SqlInfo::SqlDefaultTransactionIsolation,
];

/// arrow-flight keeps the enum of these levels to itself.
const ANSI92_ENTRY_SQL: i32 = 0;

/// Ordinals, and sets with one bit for each ordinal.
const NUMBERS: &[(SqlInfo, i32)] = &[
    (
        SqlInfo::FlightSqlServerTransaction,
        SqlSupportedTransaction::None as i32,
    ),
    (SqlInfo::FlightSqlServerTransactionTimeout, 0),
    (
        SqlInfo::SqlIdentifierCase,
        SqlSupportedCaseSensitivity::SqlCaseSensitivityLowercase as i32,
    ),
    (
        SqlInfo::SqlQuotedIdentifierCase,
        SqlSupportedCaseSensitivity::SqlCaseSensitivityCaseInsensitive as i32,
    ),
    (
        SqlInfo::SqlNullOrdering,
        SqlNullOrdering::SqlNullsSortedHigh as i32,
    ),
    (
        SqlInfo::SqlSupportedGroupBy,
        1 << SqlSupportedGroupBy::SqlGroupByUnrelated as i32
            | 1 << SqlSupportedGroupBy::SqlGroupByBeyondSelect as i32,
    ),
    (
        SqlInfo::SqlSupportedGrammar,
        1 << SupportedSqlGrammar::SqlMinimumGrammar as i32
            | 1 << SupportedSqlGrammar::SqlCoreGrammar as i32,
    ),
    (SqlInfo::SqlAnsi92SupportedLevel, 1 << ANSI92_ENTRY_SQL),
    (
        SqlInfo::SqlOuterJoinsSupportLevel,
        SqlOuterJoinsSupportLevel::SqlFullOuterJoins as i32,
    ),
    (SqlInfo::SqlSchemasSupportedActions, 0),
    (SqlInfo::SqlCatalogsSupportedActions, 0),
    (SqlInfo::SqlSupportedPositionedCommands, 0),
    (
        SqlInfo::SqlSupportedSubqueries,
        1 << SqlSupportedSubqueries::SqlSubqueriesInComparisons as i32
            | 1 << SqlSupportedSubqueries::SqlSubqueriesInExists as i32
            | 1 << SqlSupportedSubqueries::SqlSubqueriesInIns as i32
            | 1 << SqlSupportedSubqueries::SqlSubqueriesInQuantifieds as i32,
    ),
    (
        SqlInfo::SqlSupportedUnions,
        1 << SqlSupportedUnions::SqlUnion as i32 | 1 << SqlSupportedUnions::SqlUnionAll as i32,
    ),
    (SqlInfo::SqlSupportedTransactionsIsolationLevels, 1),
    (
        SqlInfo::SqlSupportedResultSetTypes,
        1 << SqlSupportedResultSetType::SqlResultSetTypeForwardOnly as i32,
    ),
    (SqlInfo::SqlSupportedConcurrenciesForResultSetUnspecified, 0),
    (
        SqlInfo::SqlSupportedConcurrenciesForResultSetForwardOnly,
        1 << SqlSupportedResultSetConcurrency::SqlResultSetConcurrencyReadOnly as i32,
    ),
    (
        SqlInfo::SqlSupportedConcurrenciesForResultSetScrollSensitive,
        0,
    ),
    (
        SqlInfo::SqlSupportedConcurrenciesForResultSetScrollInsensitive,
        0,
    ),
];

/// Which list of functions names those of which section of DataFusion's documentation.
const FUNCTION_LISTS: &[(SqlInfo, &[&str])] = &[
    (SqlInfo::SqlNumericFunctions, &["Math Functions"]),
    (
        SqlInfo::SqlStringFunctions,
        &[
            "String Functions",
            "Binary String Functions",
            "Regular Expression Functions",
        ],
    ),
    // And those of all other sections.
    (SqlInfo::SqlSystemFunctions, &[]),
    (SqlInfo::SqlDatetimeFunctions, &["Time and Date Functions"]),
];

/// Types that `cast` turns into each other, every one into every other.
const CONVERTIBLE: &[Convert] = &[
    Convert::SqlConvertBigint,
    Convert::SqlConvertDecimal,
    Convert::SqlConvertFloat,
    Convert::SqlConvertInteger,
    Convert::SqlConvertNumeric,
    Convert::SqlConvertReal,
    Convert::SqlConvertSmallint,
    Convert::SqlConvertTinyint,
    Convert::SqlConvertVarchar,
];

/// All answers.
#[derive(Debug)]
pub(crate) struct SqlInfos(RecordBatch);

impl SqlInfos {
    /// The function lists are those of the session.
    ///
    /// # Errors
    /// [`Error::Arrow`] never in practice: the values are fixed.
    pub(crate) fn new(session: &SessionState, limits: &Limits) -> Result<Self> {
        let mut builder = SqlInfoDataBuilder::new();
        for (code, text) in STRINGS {
            builder.append(*code, *text);
        }
        for code in YES {
            builder.append(*code, true);
        }
        for code in NO {
            builder.append(*code, false);
        }
        for code in UNLIMITED {
            builder.append(*code, 0_i64);
        }
        for (code, number) in NUMBERS {
            builder.append(*code, *number);
        }
        builder.append(
            SqlInfo::SqlMaxStatementLength,
            i64::try_from(limits.statement_bytes).unwrap_or(i64::MAX),
        );
        builder.append(
            SqlInfo::FlightSqlServerStatementTimeout,
            milliseconds(limits.statement_time),
        );
        builder.append(SqlInfo::SqlKeywords, KEYWORDS);
        for (code, functions) in functions(session) {
            builder.append(code, functions);
        }
        builder.append(SqlInfo::SqlSupportsConvert, conversions());
        let version = substrait_version();
        builder.append(
            SqlInfo::FlightSqlServerSubstraitMinVersion,
            version.as_str(),
        );
        builder.append(
            SqlInfo::FlightSqlServerSubstraitMaxVersion,
            version.as_str(),
        );
        let built = builder.build().map_err(wire::flight_error)?;
        named(&built.record_batch([]).map_err(wire::flight_error)?).map(Self)
    }

    /// The columns of an answer.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    /// The answers to these codes; all when none is asked for.
    ///
    /// # Errors
    /// [`Error::Arrow`] never in practice.
    pub(crate) fn rows(&self, codes: &[u32]) -> Result<RecordBatch> {
        if codes.is_empty() {
            return Ok(self.0.clone());
        }
        let known = self
            .0
            .column(0)
            .as_primitive::<UInt32Type>()
            .values()
            .iter();
        let asked: BooleanArray = known.map(|code| Some(codes.contains(code))).collect();
        Ok(filter_record_batch(&self.0, &asked)?)
    }
}

/// The batch with the names that the specification gives the parts of a map, by which Java finds them; arrow-flight calls
/// them otherwise.
fn named(batch: &RecordBatch) -> Result<RecordBatch> {
    let union = batch.column(1).as_union().clone();
    let (fields, type_ids, offsets, children) = union.into_parts();
    let children: Vec<ArrayRef> = children.iter().map(named_map).collect();
    let fields: Vec<(i8, Arc<Field>)> = fields
        .iter()
        .zip(&children)
        .map(|((id, field), child)| {
            let field = field.as_ref().clone();
            (
                id,
                Arc::new(field.with_data_type(child.data_type().clone())),
            )
        })
        .collect();
    let fields = UnionFields::try_new(
        fields.iter().map(|(id, _)| *id),
        fields.iter().map(|(_, field)| Arc::clone(field)),
    )?;
    let values = UnionArray::try_new(fields, type_ids, offsets, children)?;
    let schema = Schema::new(vec![
        batch.schema().field(0).clone(),
        Field::new("value", values.data_type().clone(), false),
    ]);
    let columns = vec![Arc::clone(batch.column(0)), Arc::new(values) as ArrayRef];
    RecordBatch::try_new(Arc::new(schema), columns).map_err(Error::from)
}

fn named_map(array: &ArrayRef) -> ArrayRef {
    let DataType::Map(entries, _) = array.data_type() else {
        return Arc::clone(array);
    };
    let (_, offsets, rows, nulls, is_sorted) = array.as_map().clone().into_parts();
    let fields: Fields = rows
        .fields()
        .iter()
        .zip(["key", "value"])
        .map(|(field, name)| field.as_ref().clone().with_name(name))
        .collect();
    let rows = StructArray::new(fields.clone(), rows.columns().to_vec(), None);
    let entries = Field::new(entries.name(), DataType::Struct(fields), false);
    Arc::new(MapArray::new(
        Arc::new(entries),
        offsets,
        rows,
        nulls,
        is_sorted,
    ))
}

fn milliseconds(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}

/// The session's scalar functions under all their names, each in the list of its section, and in the last one without.
fn functions(session: &SessionState) -> BTreeMap<SqlInfoCode, Vec<String>> {
    let mut lists: BTreeMap<SqlInfoCode, BTreeSet<String>> = FUNCTION_LISTS
        .iter()
        .map(|(code, _)| (*code as SqlInfoCode, BTreeSet::new()))
        .collect();
    for function in session.scalar_functions().values() {
        let names = std::iter::once(function.name().to_string());
        let names = names.chain(function.aliases().iter().cloned());
        let list = lists.entry(list_of(function) as SqlInfoCode).or_default();
        list.extend(names);
    }
    let lists = lists.into_iter();
    lists
        .map(|(code, names)| (code, names.into_iter().collect()))
        .collect()
}

/// The number of a question.
type SqlInfoCode = u32;

fn list_of(function: &ScalarUDF) -> SqlInfo {
    let section = function.documentation().map(|text| text.doc_section.label);
    FUNCTION_LISTS
        .iter()
        .find(|(_, sections)| section.is_some_and(|section| sections.contains(&section)))
        .map_or(SqlInfo::SqlSystemFunctions, |(code, _)| *code)
}

fn substrait_version() -> String {
    let version = substrait::version::version();
    let (major, minor) = (version.major_number, version.minor_number);
    format!("{major}.{minor}.{}", version.patch_number)
}

fn conversions() -> BTreeMap<i32, Vec<i32>> {
    let all: Vec<i32> = CONVERTIBLE.iter().map(|kind| *kind as i32).collect();
    all.iter().map(|kind| (*kind, all.clone())).collect()
}

#[cfg(test)]
mod tests {
    use datafusion::execution::SessionStateBuilder;

    use super::*;

    fn infos() -> SqlInfos {
        let session = SessionStateBuilder::new().with_default_features().build();
        SqlInfos::new(&session, &Limits::default()).unwrap()
    }

    #[test]
    fn every_code_is_answered() {
        let infos = infos();
        let all = infos.rows(&[]).unwrap();
        let codes = all.column(0).as_primitive::<UInt32Type>().values();
        let codes: BTreeSet<u32> = codes.iter().copied().collect();
        let known: BTreeSet<u32> = (0..=11).chain(100..=101).chain(500..=576).collect();
        assert_eq!(codes, known);
        let two = infos.rows(&[504, 0]).unwrap();
        assert_eq!(
            two.column(0).as_primitive::<UInt32Type>().values(),
            &[0, 504]
        );
        assert_eq!(two.schema(), infos.schema());
    }

    #[test]
    fn the_parts_of_a_map_are_called_as_java_expects() {
        let convert = infos().rows(&[517]).unwrap();
        let map = convert.column(1).as_union().value(0);
        let DataType::Map(entries, _) = map.data_type() else {
            panic!("{}", map.data_type());
        };
        let DataType::Struct(parts) = entries.data_type() else {
            panic!("{entries}");
        };
        let names: Vec<&str> = parts.iter().map(|part| part.name().as_str()).collect();
        assert_eq!(names, ["key", "value"]);
        assert_eq!(map.as_map().value(0).len(), CONVERTIBLE.len());
    }

    #[test]
    fn function_lists_follow_the_session() {
        let session = SessionStateBuilder::new().with_default_features().build();
        let lists = functions(&session);
        for (code, name) in [
            (SqlInfo::SqlDatetimeFunctions, "date_trunc"),
            (SqlInfo::SqlStringFunctions, "length"),
            (SqlInfo::SqlNumericFunctions, "pow"),
            (SqlInfo::SqlSystemFunctions, "array_length"),
        ] {
            let list = &lists[&(code as SqlInfoCode)];
            assert!(list.iter().any(|listed| listed == name), "{name}: {list:?}");
        }
    }
}
