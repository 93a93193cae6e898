//! Columns of text.

/// Rows under each other: the first column to the left, the others to the right, two spaces between.
pub(crate) fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    of_rows(rows)
}

/// As [`aligned`], for rows whose length is known when the program runs only; all are as long as the first.
pub(crate) fn of_rows(rows: &[impl AsRef<[String]>]) -> String {
    let n_columns = rows.first().map_or(0, |row| row.as_ref().len());
    let width = |column: usize| rows.iter().map(|row| row.as_ref()[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..n_columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (column, (cell, width)) in row.as_ref().iter().zip(&widths).enumerate() {
            text += &if column == 0 { format!("{cell:<width$}") } else { format!("  {cell:>width$}") };
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["label", "n"], ["größe", "100"], ["a", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(aligned(&rows), "label    n\ngröße  100\na\n");
    }
}
