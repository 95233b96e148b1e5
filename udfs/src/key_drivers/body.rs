//! The query behind `key_drivers`. Every row becomes one for each segment column; all else is sums of segments.
//!
//! Of group a the share p and mean m of a segment, of b q and l, of the whole groups M and L; c = (M + L) / 2. Then
//! mix = (p - q)((m + l)/2 - c), rate = (m - l)(p + q)/2, and their sum is p(m - c) - q(l - c): the difference of the
//! groups' means of 1(segment)(y - c). A row of a moves it by 1(segment)(y - c) - d(y - M) with d = (p - q)/2, since c
//! moves too, a row of b by -1(segment)(y - c) - d(y - L); the variance is that of these over the rows.

use crate::{
    many_tests::adjusted,
    relation_sql::{identifier, literal},
};

/// The query for these columns of the input.
pub(super) fn sql(outcome: &str, versus: &str, segments: &[String]) -> String {
    let effects = effects(&in_groups(&segment_sums(outcome, versus, segments)));
    let rows = format!(
        "select *, 2 * normal_cdf(-abs(contribution) / sqrt(case when variance > 0 then variance end)) as p_value
         from (select *, mix_effect + rate_effect as contribution from ({effects}))"
    );
    format!(
        "select \"column\", segment, cast(n_a as bigint) as n_a, cast(n_b as bigint) as n_b, share_a, share_b, mean_a, mean_b,
            mix_effect, rate_effect, contribution, difference, p_value, q_value
         from ({})",
        adjusted(&rows)
    )
}

/// A row for each segment: count, mean and variance in each group.
fn segment_sums(outcome: &str, versus: &str, segments: &[String]) -> String {
    let pairs: Vec<String> = segments
        .iter()
        .map(|name| {
            format!(
                "named_struct('column', {}, 'segment', cast({} as varchar))",
                literal(name),
                identifier(name)
            )
        })
        .collect();
    let group = |condition: &str, group: char| {
        format!(
            "cast(count(*) filter (where {condition}) as double) as n_{group},
             avg(outcome) filter (where {condition}) as mean_{group},
             coalesce(var_pop(outcome) filter (where {condition}), 0.0) as variance_{group}"
        )
    };
    format!(
        "select pair['column'] as \"column\", pair['segment'] as segment, {group_a}, {group_b}
         from (
            select in_a, outcome, unnest(pairs) as pair
            from (
                select {versus} as in_a, cast({outcome} as double) as outcome, [{pairs}] as pairs
                from input where {versus} is not null and {outcome} is not null))
         group by pair['column'], pair['segment']",
        group_a = group("in_a", 'a'),
        group_b = group("not in_a", 'b'),
        pairs = pairs.join(", "),
        versus = identifier(versus),
        outcome = identifier(outcome)
    )
}

/// The same rows with what is known of the whole groups, and each segment's mean square about the middle.
fn in_groups(sums: &str) -> String {
    let totals = |group: char| {
        format!(
            "sum(n_{group}) over (partition by \"column\") as total_{group},
             sum(n_{group} * coalesce(mean_{group}, 0.0)) over (partition by \"column\") as sum_{group}"
        )
    };
    let groups = |group: char| {
        format!(
            "n_{group} / nullif(total_{group}, 0) as share_{group}, sum_{group} / nullif(total_{group}, 0) as overall_{group}"
        )
    };
    let squares = |group: char| {
        format!(
            "share_{group} * (variance_{group} + power(coalesce(mean_{group} - middle, 0.0), 2)) as square_{group}"
        )
    };
    format!(
        "select *, {}, {}
         from (
            select *, (overall_a + overall_b) / 2 as middle
            from (select *, {}, {} from (select *, {}, {} from ({sums}))))",
        squares('a'),
        squares('b'),
        groups('a'),
        groups('b'),
        totals('a'),
        totals('b')
    )
}

/// The same rows with the effects and the variance of their sum.
fn effects(segments: &str) -> String {
    // The mean square and the mean of what a row of the group moves.
    let variance = |group: char, sign: char| {
        format!(
            "(power(1 {sign} half, 2) * square_{group} + half * half * (all_squares_{group} - square_{group})
              - power(share_{group} * coalesce(mean_{group} - middle, 0.0) {sign} half * (overall_{group} - middle), 2)) / nullif(total_{group}, 0)"
        )
    };
    format!(
        "select *, overall_a - overall_b as difference,
            (share_a - share_b) * ((coalesce(mean_a, mean_b) + coalesce(mean_b, mean_a)) / 2 - middle) as mix_effect,
            (coalesce(mean_a, mean_b) - coalesce(mean_b, mean_a)) * (share_a + share_b) / 2 as rate_effect,
            {} + {} as variance
         from (
            select *, (share_a - share_b) / 2 as half,
                sum(square_a) over (partition by \"column\") as all_squares_a,
                sum(square_b) over (partition by \"column\") as all_squares_b
            from ({segments}))",
        variance('a', '-'),
        variance('b', '+')
    )
}
