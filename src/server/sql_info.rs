//! `SqlInfo`: what this server says it can do. Every code that a driver asks for is answered, in the
//! arm of the union that the driver reads; Arrow's JDBC driver up to 18.3 fails on a missing one.

use std::collections::{BTreeMap, BTreeSet};

use arrow_flight::{
    error::Result,
    sql::{
        SqlInfo, SqlNullOrdering, SqlOuterJoinsSupportLevel, SqlSupportedCaseSensitivity,
        SqlSupportedGroupBy, SqlSupportedResultSetConcurrency, SqlSupportedResultSetType,
        SqlSupportedSubqueries, SqlSupportedTransaction, SqlSupportedUnions,
        SqlSupportsConvert as Convert, SupportedSqlGrammar,
        metadata::{SqlInfoData, SqlInfoDataBuilder},
    },
};
use datafusion::execution::SessionState;
use datafusion_substrait::substrait;

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
    SqlInfo::FlightSqlServerCancel,
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
    SqlInfo::SqlMaxStatementLength,
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
    (SqlInfo::FlightSqlServerStatementTimeout, 0),
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
    (
        SqlInfo::SqlSystemFunctions,
        &["Conditional Functions", "Other Functions"],
    ),
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

/// All of it; the function lists are those of the session.
///
/// # Errors
/// An Arrow error never in practice: the values are fixed.
pub(crate) fn data(session: &SessionState) -> Result<SqlInfoData> {
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
    builder.append(SqlInfo::SqlKeywords, KEYWORDS);
    for (code, sections) in FUNCTION_LISTS {
        builder.append(*code, functions(session, sections));
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
    builder.build()
}

fn functions(session: &SessionState, sections: &[&str]) -> Vec<String> {
    let names: BTreeSet<String> = session
        .scalar_functions()
        .values()
        .filter(|function| {
            let documentation = function.documentation();
            documentation.is_some_and(|text| sections.contains(&text.doc_section.label))
        })
        .map(|function| function.name().to_string())
        .collect();
    names.into_iter().collect()
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
    use arrow::{array::AsArray, datatypes::UInt32Type};
    use datafusion::execution::SessionStateBuilder;

    use super::*;

    #[test]
    fn every_code_is_answered() {
        let session = SessionStateBuilder::new().with_default_features().build();
        let all = data(&session).unwrap().record_batch([]).unwrap();
        let codes: BTreeSet<u32> = all
            .column(0)
            .as_primitive::<UInt32Type>()
            .values()
            .iter()
            .copied()
            .collect();
        let known: BTreeSet<u32> = (0..=11).chain(100..=101).chain(500..=576).collect();
        assert_eq!(codes, known.into_iter().collect());
    }

    #[test]
    fn function_lists_follow_the_session() {
        let session = SessionStateBuilder::new().with_default_features().build();
        let dates = functions(&session, &["Time and Date Functions"]);
        assert!(dates.contains(&"date_trunc".to_string()), "{dates:?}");
    }
}
