//! `XdbcTypeInfo`: the types a column can have, as ODBC and JDBC number them.

use arrow::datatypes::{DataType, TimeUnit};
use arrow_flight::{
    error::Result,
    sql::{
        Nullable, Searchable, XdbcDataType as Code, XdbcDatetimeSubcode as Subcode,
        metadata::{XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder},
    },
};

use crate::wording::type_name;

/// Type, its number, and its size: digits of a number, characters of a date.
const TYPES: &[(DataType, Code, Option<i32>)] = &[
    (DataType::Boolean, Code::XdbcBit, Some(1)),
    (DataType::Int8, Code::XdbcTinyint, Some(3)),
    (DataType::Int16, Code::XdbcSmallint, Some(5)),
    (DataType::Int32, Code::XdbcInteger, Some(10)),
    (DataType::Int64, Code::XdbcBigint, Some(19)),
    (DataType::Float32, Code::XdbcReal, Some(7)),
    (DataType::Float64, Code::XdbcDouble, Some(15)),
    (DataType::Utf8, Code::XdbcVarchar, None),
    (DataType::Binary, Code::XdbcVarbinary, None),
    (DataType::Date32, Code::XdbcDate, Some(10)),
    (
        DataType::Timestamp(TimeUnit::Microsecond, None),
        Code::XdbcTimestamp,
        Some(26),
    ),
];
const MAX_DECIMAL_DIGITS: i32 = 38;

/// One row for each type.
///
/// # Errors
/// An Arrow error never in practice: the rows are fixed.
pub(crate) fn data() -> Result<XdbcTypeInfoData> {
    let mut builder = XdbcTypeInfoDataBuilder::new();
    for (data_type, code, size) in TYPES {
        builder.append(info(type_name(data_type), *code, *size));
    }
    builder.append(XdbcTypeInfo {
        create_params: Some(vec!["precision".into(), "scale".into()]),
        minimum_scale: Some(0),
        maximum_scale: Some(MAX_DECIMAL_DIGITS),
        ..info(
            "DECIMAL".into(),
            Code::XdbcDecimal,
            Some(MAX_DECIMAL_DIGITS),
        )
    });
    builder.build()
}

fn info(name: String, code: Code, size: Option<i32>) -> XdbcTypeInfo {
    let quote = matches!(
        code,
        Code::XdbcVarchar | Code::XdbcVarbinary | Code::XdbcDate | Code::XdbcTimestamp
    )
    .then(|| "'".to_string());
    let number = quote.is_none() && code != Code::XdbcBit;
    let (sql_data_type, datetime_subcode) = match code {
        // The subcodes of DATE and YEAR are the same number, and arrow-flight only has the latter.
        Code::XdbcDate => (Code::XdbcDatetime, Some(Subcode::XdbcSubcodeYear)),
        Code::XdbcTimestamp => (Code::XdbcDatetime, Some(Subcode::XdbcSubcodeTimestamp)),
        other => (other, None),
    };
    XdbcTypeInfo {
        local_type_name: Some(name.clone()),
        type_name: name,
        data_type: code,
        column_size: size,
        literal_prefix: quote.clone(),
        literal_suffix: quote,
        nullable: Nullable::NullabilityNullable,
        case_sensitive: code == Code::XdbcVarchar,
        searchable: Searchable::Full,
        unsigned_attribute: number.then_some(false),
        auto_increment: number.then_some(false),
        sql_data_type,
        datetime_subcode,
        num_prec_radix: number.then_some(10),
        ..XdbcTypeInfo::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_type_can_be_asked_for() {
        let types = data().unwrap();
        assert_eq!(
            types.record_batch(None).unwrap().num_rows(),
            TYPES.len() + 1
        );
        let bigint = types.record_batch(Code::XdbcBigint as i32).unwrap();
        assert_eq!(bigint.num_rows(), 1);
    }
}
