//! One page that compares several ways to train: what was asked, what came of it, and how it looks.
//!
//! A single file without any request to anywhere, as the report of a run; sections in the order in which people ask: what is the
//! question, what is the answer, how sure is it, what does it look like, how did they learn, how was it made.

mod forest;
mod sections;

use sagittal_image::{Image, LabelMap};
use sagittal_metrics::{Effect, Verdict};

use crate::{CaseRole, Compared, Overlay, Palette, Panels, Picture, Progress, ReportError, TrainingGif, html};

/// Share of a prediction's colour over the image.
const FILL: f32 = 0.42;

/// A study, as the page shows it.
#[derive(Clone, Debug, Default)]
pub struct StudyInput {
    /// A few words.
    pub title: String,
    /// Name of the data set.
    pub dataset: String,
    /// What is asked, and why; blank lines part paragraphs.
    pub question: String,
    /// Where the question comes from.
    pub sources: Vec<String>,
    /// How the time was shared.
    pub schedule: String,
    /// What the cells of the table are.
    pub columns: Vec<StudyColumn>,
    /// What was compared.
    pub arms: Vec<StudyArm>,
    /// What was claimed.
    pub claims: Vec<StudyClaim>,
    /// The same cases in all arms.
    pub cases: Vec<StudyCase>,
    /// What follows from several arms together.
    pub tables: Vec<StudyTable>,
    /// Further curves, such as of gradients.
    pub curves: Vec<StudyCurves>,
    /// The plan of the first arm in words; blank lines part paragraphs.
    pub plan_words: String,
    /// What is needed to repeat the study: name and value.
    pub provenance: Vec<(String, String)>,
    /// Things a reader must know, such as trainings that failed.
    pub warnings: Vec<String>,
}

/// A column of the table.
#[derive(Clone, Debug, Default)]
pub struct StudyColumn {
    /// Its heading.
    pub title: String,
    /// What it means, in a sentence.
    pub meaning: String,
}

/// One way to train.
#[derive(Clone, Debug, Default)]
pub struct StudyArm {
    /// Its name.
    pub name: String,
    /// What differs, in words.
    pub says: String,
    /// What differs, as the study's file has it; may be empty.
    pub changes: String,
    /// One for every column.
    pub cells: Vec<StudyCell>,
    /// Mean foreground Dice.
    pub dice: Option<Effect>,
    /// Arms of one family are joined where quality is drawn against size.
    pub family: Option<String>,
    /// Trainable numbers.
    pub parameters: Option<f64>,
    /// The record of every training.
    pub progress: Vec<Progress>,
    /// The training GIF's file, where it is to be shown.
    pub gif: Option<Vec<u8>>,
    /// Pages and files beside this one: what they are, and where.
    pub links: Vec<(String, String)>,
}

/// A cell of the table.
#[derive(Clone, Debug, Default)]
pub struct StudyCell {
    /// What it is sorted by.
    pub value: Option<f64>,
    /// The number.
    pub text: String,
    /// Its interval; may be empty.
    pub interval: String,
}

/// Something that was claimed.
#[derive(Clone, Debug)]
pub struct StudyClaim {
    /// The sentence of the source.
    pub says: String,
    /// The source.
    pub source: String,
    /// What came of it.
    pub verdict: Verdict,
    /// The same in words, with what is to be known of it.
    pub verdict_words: String,
    /// The numbers, a sentence each.
    pub findings: Vec<String>,
}

/// A case in all arms.
#[derive(Clone, Debug)]
pub struct StudyCase {
    /// Why it is shown.
    pub role: CaseRole,
    /// Its name.
    pub case: String,
    /// The image, the truth, and every arm's prediction.
    pub panels: Vec<StudyPanel>,
}

/// One picture of a case.
#[derive(Clone, Debug)]
pub struct StudyPanel {
    /// What it shows.
    pub title: String,
    /// Of a prediction its mean foreground Dice.
    pub dice: Option<f64>,
    /// The PNG file.
    pub png: Vec<u8>,
}

/// A table of texts.
#[derive(Clone, Debug, Default)]
pub struct StudyTable {
    /// What it is.
    pub title: String,
    /// How to read it.
    pub note: String,
    /// Headings.
    pub head: Vec<String>,
    /// Cells, a heading's each; none if there is only the note to say.
    pub rows: Vec<Vec<String>>,
}

/// Curves of several arms on one pair of axes, the vertical one logarithmic.
#[derive(Clone, Debug, Default)]
pub struct StudyCurves {
    /// What the vertical axis is.
    pub title: String,
    /// What the horizontal axis is.
    pub x_name: String,
    /// A sentence below.
    pub note: String,
    /// Names and points, each with the logarithm to base 10 of its value; a gap in the record is a gap in the line.
    pub lines: Vec<(String, Points)>,
}

/// Points of a line; a value that is not there is a gap.
pub type Points = Vec<(f64, Option<f64>)>;

/// The page.
pub fn study_html(input: &StudyInput) -> String {
    let title = format!("Sagittal study: {}", input.title);
    let mut page = String::with_capacity(1 << 20);
    html::begin(&mut page, &title);
    sections::header(&mut page, input);
    sections::question(&mut page, input);
    sections::verdicts(&mut page, input);
    sections::results(&mut page, input);
    sections::pictures(&mut page, input);
    sections::learning(&mut page, input);
    sections::settings(&mut page, input);
    html::plan(&mut page, &input.plan_words);
    html::provenance(&mut page, &input.provenance);
    html::end(&mut page);
    page
}

/// One slice of a case, where most is labelled: the image, the truth, and each prediction with the truth as a line, one picture each.
///
/// # Errors
/// [`ReportError::Shape`] if a label map has another shape than the image.
pub fn side_by_side(
    image: &Image,
    reference: &LabelMap,
    predictions: &[&LabelMap],
    palette: &Palette,
) -> Result<Vec<Picture>, ReportError> {
    let (panels, slice, size) = TrainingGif::view(image, reference, palette)?;
    let mut pictures = vec![panels.draw(&slice, size, Overlay::Plain), panels.draw(&slice, size, Overlay::Fill(FILL))];
    for prediction in predictions {
        let panels = Panels::new(&Compared { image, reference: Some(reference), prediction: Some(prediction), palette })?;
        pictures.push(panels.draw(&slice, size, Overlay::Compared(FILL)));
    }
    Ok(pictures)
}

#[cfg(test)]
mod tests;
