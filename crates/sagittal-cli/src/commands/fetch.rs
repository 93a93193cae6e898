//! `sagittal fetch`: an open data set by name, its checksum verified, unpacked and checked.

mod download;
pub(crate) mod registry;
mod unpack;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use sagittal_data::Dataset;

use super::check;
use crate::{
    args::FetchArgs,
    messages::{Messages, Unit},
    outcome::{Outcome, WrongUse},
    stop::Stop,
};
use download::{Source, Transfer};
use registry::OpenDataset;

pub(crate) fn run(args: &FetchArgs, messages: &Messages) -> anyhow::Result<Outcome> {
    let wanted = registry::find(&args.name).ok_or_else(|| WrongUse(format!("no data set is called {}", args.name)))?;
    let stop = Stop::on_ctrl_c()?;
    let Some(folder) = fetch(wanted, &args.output, args.url.as_deref(), &stop, messages)? else {
        messages.say("stopped; run the same command again to continue");
        return Ok(Outcome::SomeFailed);
    };
    let dataset = Dataset::open(&folder)?;
    let faults = check::find_faults(&dataset, messages);
    let json = serde_json::json!({
        "name": wanted.name, "folder": folder, "licence": wanted.licence, "citation": wanted.citation, "check": check::as_json(&dataset, &faults),
    });
    messages.result(&json, || {
        let OpenDataset { about, licence, citation, .. } = wanted;
        format!(
            "{}\n\nfolder:  {}\nabout:   {about}\nlicence: {licence}\ncite:    {citation}",
            check::in_words(&dataset, &faults),
            folder.display()
        )
    })?;
    Ok(check::outcome(&faults))
}

/// Puts the data set's folder below `parent` and returns its path; `None` if the user stopped the download.
fn fetch(wanted: &OpenDataset, parent: &Path, mirror: Option<&str>, stop: &Stop, messages: &Messages) -> anyhow::Result<Option<PathBuf>> {
    let folder = parent.join(wanted.folder);
    if folder.exists() {
        messages.say(format_args!("{} is there already: it is only checked", folder.display()));
        return Ok(Some(folder));
    }
    fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    let archive = parent.join(wanted.archive);
    if archive.exists() {
        let found = download::md5_of(&archive)?;
        ensure!(
            found == wanted.md5,
            "{} has MD5 {found}, expected {}; remove it and run the same command again",
            archive.display(),
            wanted.md5
        );
    } else {
        let url = format!("{}/{}", mirror.unwrap_or(wanted.base_url).trim_end_matches('/'), wanted.archive);
        messages.say(format_args!("downloading {url}"));
        let source = Source { url: &url, md5: wanted.md5, limit_bytes: wanted.limit_bytes };
        match download::download(&source, &archive, &messages.progress("downloading", Unit::Bytes, 0), stop)? {
            Transfer::Whole => {}
            Transfer::Stopped => return Ok(None),
        }
    }
    let unpacked = unpack::unpack(&archive, parent, wanted.folder, wanted.limit_bytes)?;
    fs::remove_file(&archive).with_context(|| format!("cannot remove {}", archive.display()))?;
    Ok(Some(unpacked))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
