//! Pictures under and beside each other on one ground, with titles, a legend and notes.

use crate::{
    Palette,
    canvas::{Picture, Rgb},
    text,
};

/// Ground between panels; near black, so that pictures look the same on light and dark pages.
pub(crate) const GROUND: Rgb = [17, 17, 19];
pub(crate) const GAP: usize = 10;
const TITLE: Rgb = [208, 208, 214];
const NOTE: Rgb = [150, 150, 160];
/// Side of a legend's square.
const CHIP: usize = 12;
/// More labels than this are not listed one by one.
const MOST_NAMES: usize = 40;
/// Notes are not broken more narrowly than this.
const LEAST_WIDTH: usize = 260;

/// One picture of a sheet.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    /// Written above it; may be empty.
    pub(crate) title: String,
    pub(crate) picture: Picture,
}

/// A name with its colour.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) colour: Rgb,
    pub(crate) name: String,
}

/// Rows of panels, and what is written below them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sheet {
    pub(crate) rows: Vec<Vec<Panel>>,
    pub(crate) legend: Vec<Entry>,
    pub(crate) notes: Vec<String>,
}

/// The legend of these labels; of very many the first ones, and how many more there are.
pub(crate) fn legend(palette: &Palette, values: &[u16]) -> Vec<Entry> {
    let named =
        values.iter().take(MOST_NAMES).filter_map(|&value| Some(Entry { colour: palette.colour(value)?, name: palette.name(value) }));
    let more = values.len().saturating_sub(MOST_NAMES);
    named.chain((more > 0).then(|| Entry { colour: GROUND, name: format!("and {more} more") })).collect()
}

impl Sheet {
    /// Everything as one picture.
    pub(crate) fn picture(&self) -> Picture {
        let title_height = |row: &[Panel]| if row.iter().any(|panel| !panel.title.is_empty()) { text::LINE + GAP / 2 } else { 0 };
        let row_height = |row: &[Panel]| row.iter().map(|panel| panel.picture.height()).max().unwrap_or(0);
        let row_width = |row: &[Panel]| GAP + row.iter().map(|panel| cell(panel) + GAP).sum::<usize>();
        let width = self.rows.iter().map(|row| row_width(row)).max().unwrap_or(1).max(LEAST_WIDTH);
        let lines = legend_lines(&self.legend, width - 2 * GAP);
        let notes: Vec<String> = self.notes.iter().flat_map(|note| text::wrapped(note, width - 2 * GAP)).collect();
        let below = |n: usize| if n == 0 { 0 } else { n * (text::LINE + 4) + GAP / 2 };
        let rows_height: usize = self.rows.iter().map(|row| title_height(row) + row_height(row) + GAP).sum();
        let mut picture = Picture::filled(width, GAP + rows_height + below(lines.len()) + below(notes.len()), GROUND);
        let mut top = GAP;
        for row in &self.rows {
            // A narrow row stands in the middle of a wide sheet.
            let mut left = GAP + (width - row_width(row)) / 2;
            for panel in row {
                let inset = (cell(panel) - panel.picture.width()) / 2;
                text::draw(&mut picture, [left + inset, top], &panel.title, TITLE);
                picture.paste([left + inset, top + title_height(row)], &panel.picture);
                left += cell(panel) + GAP;
            }
            top += title_height(row) + row_height(row) + GAP;
        }
        for line in &lines {
            for (left, entry) in line {
                picture.rectangle([GAP + left, top + 2], [CHIP, CHIP], entry.colour);
                text::draw(&mut picture, [GAP + left + CHIP + 6, top], &entry.name, TITLE);
            }
            top += text::LINE + 4;
        }
        top += if lines.is_empty() { 0 } else { GAP / 2 };
        for note in &notes {
            text::draw(&mut picture, [GAP, top], note, NOTE);
            top += text::LINE + 4;
        }
        picture
    }
}

/// The width of a panel with its title.
fn cell(panel: &Panel) -> usize {
    panel.picture.width().max(text::width(&panel.title))
}

/// Legend entries in lines of at most `width` pixels, each with its distance from the left.
fn legend_lines(entries: &[Entry], width: usize) -> Vec<Vec<(usize, &Entry)>> {
    const BETWEEN: usize = 20;
    let mut lines: Vec<Vec<(usize, &Entry)>> = Vec::new();
    let mut left = usize::MAX;
    for entry in entries {
        let needed = CHIP + 6 + text::width(&entry.name);
        if left.saturating_add(needed) > width {
            lines.push(Vec::new());
            left = 0;
        }
        if let Some(line) = lines.last_mut() {
            line.push((left, entry));
        }
        left += needed + BETWEEN;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legends_break_where_the_picture_ends() {
        let entries: Vec<Entry> = (0..9).map(|i| Entry { colour: [i; 3], name: format!("structure {i}") }).collect();
        for width in [50, 200, 400, 4000] {
            let lines = legend_lines(&entries, width);
            assert_eq!(lines.iter().map(Vec::len).sum::<usize>(), 9, "{width}");
            for line in lines.iter().filter(|line| line.len() > 1) {
                let (left, entry) = line[line.len() - 1];
                assert!(left + CHIP + 6 + text::width(&entry.name) <= width, "{width}");
            }
        }
        assert_eq!(legend_lines(&entries, 4000).len(), 1);
    }

    #[test]
    fn very_many_labels_are_counted() {
        let values: Vec<u16> = (1..=104).collect();
        let entries = legend(&Palette::new(&values), &values);
        assert_eq!((entries.len(), entries[40].name.as_str()), (41, "and 64 more"));
    }

    #[test]
    fn nothing_is_cut_off_a_sheet_of_odd_panels() {
        let panel = |title: &str, width, height| Panel { title: title.into(), picture: Picture::filled(width, height, [200; 3]) };
        let sheet = Sheet {
            rows: vec![vec![panel("a title wider than its panel", 20, 50), panel("", 300, 10)], vec![panel("", 40, 40)]],
            legend: legend(&Palette::new(&[1, 2]), &[1, 2]),
            notes: vec!["a note that is long enough for more than one line of a picture as narrow as this one is".repeat(2)],
        };
        let picture = sheet.picture();
        let bright = picture.pixels().iter().filter(|p| **p == [200; 3]).count();
        assert_eq!(bright, 20 * 50 + 300 * 10 + 40 * 40);
        let last = picture.height() - text::LINE - 4 - GAP;
        assert!((last..picture.height()).any(|y| (0..picture.width()).any(|x| picture.at(x, y)[0] > 100)), "the last note is not there");
    }
}
