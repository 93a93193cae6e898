//! A large file over HTTP: streamed to disk, continued where it broke off, verified by its checksum.
//!
//! The transfer goes to `FILE.part`, which becomes `FILE` only when its checksum is right; a file without `.part` is whole.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use md5::{Digest, Md5};
use ureq::{Agent, Body, http::Response};

use crate::{messages::Progress, stop::Stop};

/// How often a transfer that breaks off is taken up again before the user is asked to.
const N_ATTEMPTS: usize = 4;

/// Pause before a transfer is taken up again, so that a busy server gets some rest.
const PAUSE: Duration = Duration::from_millis(500);

/// A server that says nothing at all for this long is not there. The body has no limit: lines may be slow.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// What to download, and how much of it to accept.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    pub(crate) url: &'a str,
    pub(crate) md5: &'a str,
    pub(crate) limit_bytes: u64,
}

/// How a transfer ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transfer {
    /// The file is whole and its checksum is right.
    Whole,
    /// The user stopped it; what has arrived is kept in `FILE.part`.
    Stopped,
}

/// Downloads `source` to `file`, beginning with what `FILE.part` already holds.
pub(crate) fn download(source: &Source, file: &Path, progress: &Progress, stop: &Stop) -> anyhow::Result<Transfer> {
    let part = with_suffix(file, ".part");
    let mut attempt = 1;
    loop {
        match transfer(source, &part, progress, stop) {
            Ok(Transfer::Stopped) => return Ok(Transfer::Stopped),
            Ok(Transfer::Whole) => break,
            Err(Broken::Off(_)) if attempt < N_ATTEMPTS => {
                attempt += 1;
                std::thread::sleep(PAUSE);
            }
            Err(Broken::Off(error)) => {
                return Err(error.context(format!(
                    "{} could not be downloaded; run the same command again to continue with what has arrived, or download the file by \
                     other means to {}",
                    source.url,
                    file.display()
                )));
            }
            Err(Broken::Refused(error)) => return Err(error),
        }
    }
    let found = md5_of(&part)?;
    if found != source.md5 {
        let aside = with_suffix(file, ".rejected");
        fs::rename(&part, &aside).with_context(|| format!("cannot rename {}", part.display()))?;
        bail!(
            "{} has MD5 {found}, expected {}; what arrived is kept as {} for inspection: run the same command again to download it \
             afresh, or name another mirror with --url",
            source.url,
            source.md5,
            aside.display()
        );
    }
    fs::rename(&part, file).with_context(|| format!("cannot rename {} to {}", part.display(), file.display()))?;
    Ok(Transfer::Whole)
}

/// Checksum of a file, in lower-case hexadecimal.
pub(crate) fn md5_of(path: &Path) -> anyhow::Result<String> {
    let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut md5 = Md5::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).with_context(|| format!("cannot read {}", path.display()))? {
            0 => break,
            n_read => md5.update(&buffer[..n_read]),
        }
    }
    Ok(md5.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Why a transfer ended early.
enum Broken {
    /// The line or the server failed; another attempt may do better.
    Off(anyhow::Error),
    /// The answer was clear: another attempt would end alike.
    Refused(anyhow::Error),
}

/// One attempt: asks for what `part` still lacks and appends it.
fn transfer(source: &Source, part: &Path, progress: &Progress, stop: &Stop) -> Result<Transfer, Broken> {
    let n_present = fs::metadata(part).map_or(0, |metadata| metadata.len());
    let answer = ask(source.url, n_present).map_err(Broken::Off)?;
    let Some(Rest { body, begin, total }) = rest_of_file(source, answer, n_present)? else { return Ok(Transfer::Whole) };
    let refused = |error: std::io::Error| Broken::Refused(anyhow::Error::new(error).context(format!("cannot write {}", part.display())));
    let mut file = OpenOptions::new().create(true).write(true).truncate(false).open(part).map_err(refused)?;
    // A server that cannot continue begins anew, and so does the file.
    file.set_len(begin).map_err(refused)?;
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(begin)).map_err(refused)?;

    let mut reader = body.into_with_config().limit(source.limit_bytes.saturating_add(1)).reader();
    let mut n_done = begin;
    let mut buffer = vec![0; 1 << 16];
    loop {
        if stop.requested() {
            return Ok(Transfer::Stopped);
        }
        let n_read = reader.read(&mut buffer).map_err(|error| Broken::Off(error.into()))?;
        if n_read == 0 {
            break;
        }
        file.write_all(&buffer[..n_read]).map_err(refused)?;
        n_done += n_read as u64;
        if n_done > source.limit_bytes {
            return Err(too_large(source, n_done));
        }
        progress.set(n_done, total.unwrap_or(0).max(n_done));
    }
    file.sync_all().map_err(refused)?;
    match total {
        Some(total) if n_done < total => Err(Broken::Off(anyhow::anyhow!("the connection closed after {n_done} of {total} bytes"))),
        _ => Ok(Transfer::Whole),
    }
}

/// Sends the request for everything from byte `begin` on, through the proxy that the environment names, if any.
fn ask(url: &str, begin: u64) -> anyhow::Result<Response<Body>> {
    let mut config =
        Agent::config_builder().http_status_as_error(false).timeout_connect(Some(ANSWER_WITHIN)).timeout_recv_response(Some(ANSWER_WITHIN));
    if url.starts_with("http://127.0.0.1:") {
        // A proxy cannot reach a server on this machine.
        config = config.proxy(None);
    }
    let mut request = Agent::from(config.build()).get(url);
    if begin > 0 {
        request = request.header("Range", format!("bytes={begin}-"));
    }
    request.call().with_context(|| format!("cannot reach {url}"))
}

/// The part of the file that the server sends.
struct Rest {
    body: Body,
    /// Where in the file it begins.
    begin: u64,
    /// Length of the whole file, if the server says so.
    total: Option<u64>,
}

/// Understands the answer to a request for everything from `n_present` on; `None` if nothing is left to send.
fn rest_of_file(source: &Source, answer: Response<Body>, n_present: u64) -> Result<Option<Rest>, Broken> {
    let status = answer.status().as_u16();
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (begin, total) = match status {
        200 => (0, header("content-length").and_then(|length| length.parse().ok())),
        206 => {
            let range = header("content-range").unwrap_or_default();
            match parse_content_range(&range) {
                Some((begin, total)) if begin == n_present => (begin, total),
                _ => {
                    return Err(Broken::Refused(anyhow::anyhow!(
                        "{} answered with the range `{range}`, expected one from byte {n_present}",
                        source.url
                    )));
                }
            }
        }
        // Nothing lies beyond what is present: it is whole, or the checksum will say that it is not.
        416 if n_present > 0 => return Ok(None),
        408 | 429 | 500.. => return Err(Broken::Off(anyhow::anyhow!("{} answered with status {}", source.url, answer.status()))),
        _ => {
            let cure = "check the address, or name another mirror with --url";
            return Err(Broken::Refused(anyhow::anyhow!("{} answered with status {}; {cure}", source.url, answer.status())));
        }
    };
    match total {
        Some(total) if total > source.limit_bytes => Err(too_large(source, total)),
        _ => Ok(Some(Rest { body: answer.into_body(), begin, total })),
    }
}

fn too_large(source: &Source, n_bytes: u64) -> Broken {
    Broken::Refused(anyhow::anyhow!(
        "{} has {n_bytes} bytes or more, expected at most {}; it is not the archive that is known here",
        source.url,
        source.limit_bytes
    ))
}

/// Reads `bytes 200-999/1000` as (200, 1000); the total may be `*`, which means unknown.
fn parse_content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (begin, _end) = range.split_once('-')?;
    Some((begin.trim().parse().ok()?, total.trim().parse().ok()))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_range_is_understood() {
        assert_eq!(parse_content_range("bytes 200-999/1000"), Some((200, Some(1000))));
        assert_eq!(parse_content_range("bytes 200-999/*"), Some((200, None)));
        for text in ["", "bytes */1000", "lines 1-2/3", "bytes x-2/3"] {
            assert_eq!(parse_content_range(text), None, "{text}");
        }
    }

    #[test]
    fn suffix_is_added_to_the_whole_name() {
        assert_eq!(with_suffix(Path::new("a/b.tar"), ".part"), Path::new("a/b.tar.part"));
    }
}
