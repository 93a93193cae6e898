//! What is drawn, by what was typed; and which options have an effect on it.

use std::path::Path;

use sagittal_image::Rank;

use crate::{
    args::{Drawing, Form, ViewArgs},
    outcome::WrongUse,
};

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    Png,
    Gif,
}

/// What the output's extension asks for.
pub(super) fn file_kind(output: &Path) -> Result<FileKind, WrongUse> {
    let extension = output.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("png") => Ok(FileKind::Png),
        Some("gif") => Ok(FileKind::Gif),
        _ => Err(WrongUse(format!("{} is neither .png nor .gif; give the picture one of these extensions", output.display()))),
    }
}

/// The form that was asked for, or the one that fits what there is.
pub(super) fn choose(args: &ViewArgs, kind: FileKind) -> Result<Form, WrongUse> {
    let form = args.form.unwrap_or(match (kind, args.reference.is_some()) {
        (FileKind::Gif, _) => Form::Sweep,
        (FileKind::Png, true) => Form::Compare,
        (FileKind::Png, false) => Form::Planes,
    });
    let wrong = |finding: &str| Err(WrongUse(format!("--as {} {finding}", name(form))));
    match (form, kind) {
        (Form::Sweep, FileKind::Png) => return wrong("moves; write it to a .gif"),
        (Form::Planes | Form::Montage | Form::Compare | Form::Errors, FileKind::Gif) => return wrong("does not move; write it to a .png"),
        _ => {}
    }
    match form {
        Form::Surface if args.labels.is_none() => wrong("draws labels; name a label map after the image"),
        Form::Compare | Form::Errors if args.reference.is_none() => {
            wrong("compares two label maps; name one after the image and one with --reference")
        }
        _ => Ok(form),
    }
}

/// As it is typed.
pub(super) fn name(form: Form) -> &'static str {
    match form {
        Form::Planes => "planes",
        Form::Montage => "montage",
        Form::Sweep => "sweep",
        Form::Surface => "surface",
        Form::Compare => "compare",
        Form::Errors => "errors",
    }
}

/// Refuses options that would change nothing: whoever typed them expects that they do.
pub(super) fn refuse_unfitting(args: &ViewArgs, form: Form, rank: Rank) -> Result<(), WrongUse> {
    let sliced = matches!(form, Form::Planes | Form::Montage | Form::Sweep | Form::Compare);
    let is_turning = form == Form::Surface && file_kind(&args.output)? == FileKind::Gif;
    let shows_image = sliced || rank == Rank::Two;
    let draws_labels = args.labels.is_some() && matches!(form, Form::Planes | Form::Montage | Form::Sweep);
    let colours = args.labels.is_some() && (shows_image || form == Form::Surface) && args.draw != Some(Drawing::Contour);
    let volume = rank == Rank::Three;
    let rules = [
        ("--plane", args.plane.is_some(), sliced && volume),
        ("--slice", args.slice.is_some(), matches!(form, Form::Planes | Form::Compare) && volume),
        ("--count", args.count.is_some(), matches!(form, Form::Montage | Form::Sweep) || is_turning),
        ("--window", args.window.is_some(), shows_image),
        ("--channel", args.channel.is_some(), shows_image),
        ("--draw", args.draw.is_some(), draws_labels && args.reference.is_none()),
        ("--opacity", args.opacity.is_some(), colours),
        ("--zoom", args.zoom.is_some(), form != Form::Surface),
    ];
    match rules.into_iter().find(|(_, given, has_effect)| *given && !has_effect) {
        None => Ok(()),
        Some((option, ..)) => {
            let of = if volume { "a 3-D image" } else { "a 2-D image" };
            let with = if args.labels.is_none() {
                " without labels"
            } else if args.reference.is_some() {
                " with a reference"
            } else {
                ""
            };
            Err(WrongUse(format!("{option} has no effect on --as {} of {of}{with}; leave it out", name(form))))
        }
    }
}
