"""What of SQLAlchemy's suite applies: each feature that it asks for is here, among those that Moodlake has, or with the
reason why it has not. `test_requirements.py` holds both lists against the suite.

`HAS_NO_TEST` are single tests that need a feature which the suite has no name for."""

from sqlalchemy.testing import exclusions
from sqlalchemy.testing.requirements import SuiteRequirements

HAS = """
    array_type boolean_col_expressions bound_limit_offset
    cast_precision_numerics_many_significant_digits create_table ctes ctes_with_values
    date date_coerces_from_datetime date_historic date_implicit_bound datetime datetime_historic
    datetime_implicit_bound datetime_literals datetime_microseconds datetime_timezone drop_table
    empty_strings_text empty_strings_varchar except_ expressions_against_unbounded_text
    fetch_null_from_numeric fetch_rows_post_commit float_cast float_is_numeric
    float_or_double_precision_behaves_generically floats_to_four_decimals foreign_key_ddl
    get_isolation_level_values group_by_complex_expression
    implicit_decimal_binds implicit_default_schema independent_connections independent_readonly_connections
    infinity_floats insert_from_select intersect like_escapes literal_float_coercion
    mod_operator_as_percent_sign multivalues_inserts named_constraints nullable_booleans nullsordering
    nvarchar_types offset order_by_col_from_union order_by_label_with_expression
    parens_in_union_contained_select_w_limit_offset parens_in_union_contained_select_wo_limit_offset
    percent_schema_names precision_generic_float_type precision_numerics_enotation_large
    precision_numerics_enotation_small precision_numerics_general precision_numerics_retains_significant_digits
    regexp_match
    sane_multi_rowcount sane_rowcount schema_reflection schemas self_referential_foreign_keys
    sql_expression_limit_offset standalone_binds standalone_null_binds_whereclause standard_cursor_sql subqueries
    supports_bitwise_and supports_bitwise_or supports_bitwise_shift supports_bitwise_xor
    supports_is_distinct_from symbol_names_w_double_quote
    table_ddl_if_exists table_reflection table_value_constructor text_type timestamp_microseconds
    timestamp_microseconds_implicit_bound tuple_in tuple_in_w_empty
    unbounded_varchar unicode_data unicode_data_no_special_types unicode_ddl unusual_column_name_characters
    update_returning_dialect_not_supported
    view_column_reflection view_reflection views
    window_functions window_range window_range_numeric
""".split()

HAS_NOT_BY_REASON = {
    "the server generates no keys: a row gives its own": """
        autoincrement_insert autoincrement_without_sequence dbapi_lastrowid emulated_lastrowid identity_columns
        identity_columns_standard implements_get_lastrowid sequences sequences_optional supports_lastrowid""",
    "columns have no defaults and are not computed": """
        computed_columns computed_columns_default_persisted computed_columns_reflect_persisted
        computed_columns_stored computed_columns_virtual empty_inserts empty_inserts_executemany
        expression_server_defaults server_defaults""",
    "INSERT and DELETE return no rows": """
        delete_returning insert_executemany_returning insert_returning insertmanyvalues returning
        sane_rowcount_w_returning update_returning""",
    "there are no keys: they are left out of CREATE TABLE, so that none is reflected or enforced": """
        cross_schema_fk_reflection duplicate_key_raises_integrity_error
        fk_constraint_option_reflection_ondelete_noaction fk_constraint_option_reflection_ondelete_restrict
        fk_constraint_option_reflection_onupdate_restrict foreign_key_constraint_name_reflection
        foreign_key_constraint_option_reflection_ondelete foreign_key_constraint_option_reflection_onupdate
        foreign_key_constraint_reflection foreign_keys foreign_keys_reflect_as_index implicitly_named_constraints
        primary_key_constraint_reflection reflects_pk_names repeated_column_foreign_keys
        repeated_remote_col_foreign_keys unique_constraint_reflection unique_constraints_reflect_as_index
        unique_index_reflect_as_unique_constraints""",
    "there are no indexes: they are left out, so that none is reflected": """
        index_ddl_if_exists index_reflection index_reflects_included_columns indexes_check_column_order
        indexes_with_ascdesc indexes_with_expressions reflect_indexes_with_ascdesc
        reflect_indexes_with_ascdesc_as_expression reflect_indexes_with_expressions""",
    "Flight SQL has no place for CHECK constraints and table options, and SQLAlchemy none for Delta's": """
        check_constraint_reflection inline_check_constraint_reflection reflect_table_options""",
    "there is no COMMENT: comments of columns come with the table, and ../dialect reads them": """
        comment_reflection comment_reflection_full_unicode constraint_comment_reflection
        temp_table_comment_reflection""",
    "temporary tables live in a session, which ends with the connection: ../dialect uses them": """
        create_temp_table_as has_temp_table temp_table_names temp_table_reflect_indexes temp_table_reflection
        temporary_tables temporary_views""",
    "the dialect names a view's statement, not one that SQLAlchemy makes of a query": """
        create_or_replace_view create_table_as materialized_views materialized_views_reflect_pk""",
    "a Delta table has no type TIME": "time time_implicit_bound time_microseconds time_timezone",
    "there is no type JSON, nor functions on it: values are kept as text, which ../dialect tests": """
        json_array_indexes json_deserializer_binary json_index_supplementary_unicode_element json_type
        legacy_unconditional_json_extract""",
    "there are no collations": "column_collation_reflection get_order_by_collation order_by_collation",
    "each statement is committed as it runs: there is nothing but autocommit": """
        autocommit dialect_level_isolation_level_param get_isolation_levels isolation_level savepoints
        skip_autocommit_rollback two_phase_transactions""",
    "there is no type UUID: it is kept as text": "uuid_data_type",
    "a table has columns": "reflect_tables_no_columns",
    "a frame by RANGE of time takes a literal, and a bound one is cast": "window_range_non_numeric",
    "a query's columns have different names": "duplicate_names_in_cursor_description",
    "the server reads LIMIT and OFFSET, not FETCH": """
        fetch_expression fetch_first fetch_no_order_by fetch_offset_with_options fetch_percent fetch_ties""",
    "a change names one table, and no CTE before it": """
        ctes_on_dml ctes_with_update_delete delete_from update_from""",
    "CREATE SCHEMA has no counterpart": "schema_create_delete",
    "SQLAlchemy writes DISTINCT ON for PostgreSQL only": "supports_distinct_on",
    "the server has no operator ~ of one side": "supports_bitwise_not",
    "a division of decimals has at most 38 digits on its way": "precision_numerics_many_significant_digits",
    "regexp_replace is a function of the server's, with flags of its own": "regexp_replace",
    "names are lower case where they are not quoted": "denormalized_names",
    "this is another Python": "python3",
}
HAS_NOT = {
    feature: reason
    for reason, features in HAS_NOT_BY_REASON.items()
    for feature in features.split()
}

HAS_NO_TEST = {
    r"test_(insert_from_select_autoinc|no_results_for_non_returning_insert)\b": HAS_NOT[
        "autoincrement_insert"
    ],
    r"test_(string_length|varchar)_reflection\b": "the length of a VARCHAR is not kept",
    r"test_truediv_divisor\[numeric_38_digit": HAS_NOT[
        "precision_numerics_many_significant_digits"
    ],
    r"test_truediv_divisor\[numeric_many_decimals": HAS_NOT[
        "precision_numerics_many_significant_digits"
    ],
    r"test_long_convention_name\[(pk|fk)": HAS_NOT["primary_key_constraint_reflection"],
    r"test_get_foreign_keys\[quote": HAS_NOT["foreign_key_constraint_reflection"],
    r"test_(has_index|has_index_schema|get_indexes|long_convention_name\[ix.*)(\[|$)": HAS_NOT[
        "index_reflection"
    ],
    r"test_window_range(_numeric)?$": "it takes rows without ORDER BY to come in order",
}


class Requirements(SuiteRequirements):
    """The lists as SQLAlchemy reads them."""

    def get_isolation_levels(self, config):
        return {"default": "AUTOCOMMIT", "supported": ["AUTOCOMMIT"]}


def excluded(reason):
    return property(lambda self: exclusions.skip_if(lambda config: True, reason))


for name in HAS:
    setattr(Requirements, name, property(lambda self: exclusions.open()))
for name, reason in HAS_NOT.items():
    if not hasattr(SuiteRequirements, name) or isinstance(
        getattr(SuiteRequirements, name), property
    ):
        setattr(Requirements, name, excluded(reason))
