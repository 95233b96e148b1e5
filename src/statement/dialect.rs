//! The dialect in which statements are parsed: sqlparser's generic one, which gives up in time.
//!
//! Where a text could mean several things the parser tries one after the other, and those in it again for each: what is wrong
//! after `a[1].b[1].b[1]…`, or within `cast(cast(cast(…`, would be read twice as often with every link.

use std::{any::TypeId, cell::Cell};

use datafusion::sql::sqlparser::{
    ast::Expr,
    dialect::{Dialect, GenericDialect},
    parser::{Parser, ParserError},
};

/// Expressions that may be begun, besides one for each byte of the text: what is right begins about one for each word.
const SPARE: usize = 10_000;

/// [`GenericDialect`] for one text.
#[derive(Debug)]
pub(super) struct Bounded {
    generic: GenericDialect,
    /// Expressions that may still be begun.
    left: Cell<usize>,
}

impl Bounded {
    pub(super) fn new(text: &str) -> Self {
        Self {
            generic: GenericDialect {},
            left: Cell::new(SPARE.saturating_add(text.len())),
        }
    }
}

/// What the generic dialect says of itself.
macro_rules! as_generic {
    ($($name:ident,)*) => {
        $(fn $name(&self) -> bool {
            self.generic.$name()
        })*
    };
}

impl Dialect for Bounded {
    fn dialect(&self) -> TypeId {
        self.generic.dialect()
    }

    fn parse_prefix(&self, _: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        let Some(left) = self.left.get().checked_sub(1) else {
            // The one error that ends all trying.
            return Some(Err(ParserError::RecursionLimitExceeded));
        };
        self.left.set(left);
        None
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        self.generic.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        self.generic.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        self.generic.is_identifier_part(ch)
    }

    as_generic! {
    supports_unicode_string_literal,
    supports_partition_by_after_order_by,
    supports_array_join_syntax,
    supports_group_by_expr,
    supports_group_by_with_modifier,
    supports_left_associative_joins_without_parens,
    supports_connect_by,
    supports_match_recognize,
    supports_pipe_operator,
    supports_start_transaction_modifier,
    supports_window_function_null_treatment_arg,
    supports_dictionary_syntax,
    supports_window_clause_named_window_reference,
    supports_parenthesized_set_variables,
    supports_select_wildcard_except,
    support_map_literal_syntax,
    allow_extract_custom,
    allow_extract_single_quotes,
    supports_extract_comma_syntax,
    supports_create_view_comment_syntax,
    supports_parens_around_table_factor,
    supports_values_as_table_factor,
    supports_create_index_with_clause,
    supports_explain_with_utility_options,
    supports_limit_comma,
    supports_update_order_by,
    supports_from_first_select,
    supports_projection_trailing_commas,
    supports_asc_desc_in_column_definition,
    supports_try_convert,
    supports_bitwise_shift_operators,
    supports_comment_on,
    supports_load_extension,
    supports_named_fn_args_with_assignment_operator,
    supports_struct_literal,
    supports_empty_projections,
    supports_nested_comments,
    supports_multiline_comment_hints,
    supports_user_host_grantee,
    supports_string_escape_constant,
    supports_array_typedef_with_brackets,
    supports_match_against,
    supports_set_names,
    supports_comma_separated_set_assignments,
    supports_filter_during_aggregation,
    supports_select_wildcard_exclude,
    supports_data_type_signed_suffix,
    supports_interval_options,
    supports_quote_delimited_string,
    supports_select_wildcard_replace,
    supports_select_wildcard_ilike,
    supports_select_wildcard_rename,
    supports_optimize_table,
    supports_install,
    supports_detach,
    supports_prewhere,
    supports_with_fill,
    supports_limit_by,
    supports_interpolate,
    supports_settings,
    supports_select_format,
    supports_comment_optimizer_hint,
    supports_constraint_keyword_without_name,
    supports_key_column_option,
    supports_comma_separated_trim,
    supports_cte_without_as,
    supports_select_item_multi_column_alias,
    supports_xml_expressions,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::parse::parse_one;

    #[test]
    fn a_mistake_in_many_links_is_told_soon() {
        let repeated = |open: &str, end: &str| format!("select {}{end}", open.repeat(40));
        for sql in [
            format!("select a{}[", "[1].b".repeat(40)),
            format!("select a{}[", ".b".repeat(40)),
            format!("select (a){}[", ".b[1]".repeat(40)),
            repeated("cast(", "1"),
            repeated("array[", "1"),
            repeated("interval ", "["),
            repeated("interval (interval ", "1"),
            repeated("position(", "1 in ["),
            repeated("ceil(", "1"),
        ] {
            let start = Instant::now();
            let error = parse_one(&sql).unwrap_err().to_string();
            assert!(error.starts_with("SQL: "), "{error}");
            assert!(start.elapsed() < Duration::from_secs(5), "{sql}");
        }
    }

    #[test]
    fn what_is_right_is_read_however_long() {
        let rows = vec!["(-1.5, cast('a' as varchar), [1, 2])"; 20_000].join(", ");
        parse_one(&format!("select * from (values {rows}) as t (a, b, c)")).unwrap();
        let cast = format!("select {}1{}", "cast(".repeat(30), " as int)".repeat(30));
        parse_one(&cast).unwrap();
    }
}
