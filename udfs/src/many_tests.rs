//! Query fragments that hold p-values to account for being many.
//!
//! Holm, "A simple sequentially rejective multiple test procedure" (1979, Scandinavian Journal of Statistics 6, 65–70);
//! Benjamini & Hochberg, "Controlling the false discovery rate" (1995, doi:10.1111/j.2517-6161.1995.tb02031.x).

/// A query for the rows of `rows` with `p_holm` and `q_value` beside their `p_value`, among those that have one: no null
/// and no NaN.
pub(crate) fn adjusted(rows: &str) -> String {
    format!(
        "select *,
            case when p_rank is not null then
                max(least(p_value * (p_count - p_rank + 1), 1.0)) over (order by p_rank nulls last rows between unbounded preceding and current row) end as p_holm,
            case when p_rank is not null then
                min(least(p_value * p_count / p_rank, 1.0)) over (order by p_rank desc nulls last rows between unbounded preceding and current row) end as q_value
         from (
            select *,
                case when p_value is not null and not isnan(p_value) then
                    row_number() over (order by case when isnan(p_value) then null else p_value end nulls last) end as p_rank,
                count(case when isnan(p_value) then null else p_value end) over () as p_count
            from ({rows}))"
    )
}
