//! Statements over sets of rows whose values are bound one by one.
//!
//! Most set-based statements take their rows as JSON, which is one parameter and one text. The
//! few that each letter passes through take `VALUES` instead: the database has nothing to
//! parse. There is a text for 1, 2, 4, ... rows, so that a connection keeps each prepared; what
//! is missing to the next power is filled with rows of NULLs, which match nothing.

/// Rows that one statement takes; more go in several.
pub(super) const MOST_ROWS: usize = 256;

/// The type of a bound column: PostgreSQL wants to know.
#[derive(Clone, Copy)]
pub(super) enum Column {
    Integer,
    Text,
}

/// A statement for each count of rows.
pub(super) struct Sets(Vec<String>);

impl Sets {
    /// From a text that says `{rows}` where the rows go, behind `fixed` parameters.
    pub(super) fn new(fixed: usize, columns: &[Column], text: &str) -> Self {
        let counts = (0..).map(|power| 1 << power).take_while(|count| *count <= MOST_ROWS);
        Self(counts.map(|count| text.replace("{rows}", &rows(fixed, columns, count))).collect())
    }

    /// The statement for `count` rows, at most [`MOST_ROWS`], and how many of NULLs go with them.
    pub(super) fn of(&'static self, count: usize) -> (&'static str, usize) {
        let whole = count.clamp(1, MOST_ROWS).next_power_of_two();
        (&self.0[whole.ilog2() as usize], whole - count.min(whole))
    }
}

fn rows(fixed: usize, columns: &[Column], count: usize) -> String {
    let place = |row: usize, (at, column): (usize, &Column)| {
        let number = fixed + row * columns.len() + at + 1;
        match column {
            Column::Integer => format!("CAST(${number} AS BIGINT)"),
            Column::Text => format!("CAST(${number} AS TEXT)"),
        }
    };
    let row = |row| {
        let places: Vec<_> = columns.iter().enumerate().map(|column| place(row, column)).collect();
        format!("({})", places.join(", "))
    };
    (0..count).map(row).collect::<Vec<_>>().join(", ")
}

/// Each of `rows`, and then the rows of NULLs.
pub(super) fn padded<T>(rows: &[T], nulls: usize) -> impl Iterator<Item = Option<&T>> {
    rows.iter().map(Some).chain(std::iter::repeat_n(None, nulls))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    static ONE: LazyLock<Sets> = LazyLock::new(|| Sets::new(1, &[Column::Integer, Column::Text], "$1 VALUES {rows}"));

    #[test]
    fn numbers_the_places_behind_the_fixed_ones_and_fills_up() {
        let row = "(CAST($2 AS BIGINT), CAST($3 AS TEXT))";
        assert_eq!(ONE.of(1), (format!("$1 VALUES {row}").as_str(), 0));
        let (text, nulls) = ONE.of(3);
        assert!(text.ends_with("(CAST($8 AS BIGINT), CAST($9 AS TEXT))"), "{text}");
        assert_eq!(nulls, 1);
        assert_eq!(ONE.of(MOST_ROWS).1, 0);
    }
}
