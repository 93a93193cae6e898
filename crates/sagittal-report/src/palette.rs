//! Colours of labels that stay apart for colour-blind readers and over grey images.
//!
//! Source: Okabe and Ito 2008, "Color Universal Design": seven colours (without black) that people with
//! protanopia, deuteranopia and tritanopia tell apart. Yellow comes last here: on paper it is hard to see.

use crate::canvas::{Rgb, mixed};

/// Okabe and Ito's colours, ordered so that neighbours differ most.
const OKABE_ITO: [Rgb; 7] = [[230, 159, 0], [86, 180, 233], [0, 158, 115], [213, 94, 0], [204, 121, 167], [0, 114, 178], [240, 228, 66]];
/// A value in a label map that the data set does not declare.
const UNDECLARED: Rgb = [255, 255, 255];

/// A colour and a name for each label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Palette {
    labels: Vec<u16>,
    names: Vec<String>,
    colours: Vec<Rgb>,
}

impl Palette {
    /// Colours `labels` (foreground only) in their order; they are named by their values.
    pub fn new(labels: &[u16]) -> Self {
        Self::named(labels.iter().map(|&label| (label, format!("label {label}"))))
    }

    /// Colours labels (foreground only) in their order, and names them.
    pub fn named(labels: impl IntoIterator<Item = (u16, String)>) -> Self {
        Self::coloured(labels.into_iter().enumerate().map(|(idx, (label, name))| (label, name, Self::nth(idx))))
    }

    /// Labels with colours of their own.
    pub(crate) fn coloured(entries: impl IntoIterator<Item = (u16, String, Rgb)>) -> Self {
        let mut palette = Self { labels: vec![], names: vec![], colours: vec![] };
        for (label, name, colour) in entries {
            palette.labels.push(label);
            palette.names.push(name);
            palette.colours.push(colour);
        }
        palette
    }

    /// The labels that have a colour, in order.
    pub fn labels(&self) -> &[u16] {
        &self.labels
    }

    /// The colour of a label; `None` for background.
    pub fn colour(&self, label: u16) -> Option<[u8; 3]> {
        if label == 0 {
            return None;
        }
        Some(self.position(label).map_or(UNDECLARED, |idx| self.colours[idx]))
    }

    /// What a label is called; one that nobody named by its value.
    pub fn name(&self, label: u16) -> String {
        self.position(label).map_or_else(|| format!("label {label}"), |idx| self.names[idx].clone())
    }

    fn position(&self, label: u16) -> Option<usize> {
        self.labels.iter().position(|&known| known == label)
    }

    /// The `idx`-th colour. After seven they repeat, lighter and then darker.
    pub(crate) fn nth(idx: usize) -> Rgb {
        let base = OKABE_ITO[idx % OKABE_ITO.len()];
        match idx / OKABE_ITO.len() % 3 {
            0 => base,
            1 => mixed(base, [255; 3], 0.45),
            _ => mixed(base, [0; 3], 0.4),
        }
    }
}

/// A colour as CSS and SVG write it.
pub(crate) fn hex([r, g, b]: Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_take_colours_in_order_and_unknown_ones_show() {
        let palette = Palette::new(&[3, 255]);
        assert_eq!(palette.colour(0), None);
        assert_eq!(palette.colour(3), Some([230, 159, 0]));
        assert_eq!(palette.colour(255), Some([86, 180, 233]));
        assert_eq!(palette.colour(9), Some([255, 255, 255]));
        assert_eq!((palette.name(3), palette.name(9)), ("label 3".to_owned(), "label 9".to_owned()));
        assert_eq!(Palette::named([(2, "head".to_owned())]).name(2), "head");
        assert_eq!(hex([230, 159, 0]), "#e69f00");
    }

    #[test]
    fn twenty_one_labels_have_different_colours() {
        let mut colours: Vec<Rgb> = (0..21).map(Palette::nth).collect();
        colours.sort_unstable();
        colours.dedup();
        assert_eq!(colours.len(), 21);
    }
}
