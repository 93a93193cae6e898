//! The whole of `fetch` against a server on this machine, with the faults that servers and lines have.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use tempfile::TempDir;

use super::*;

/// How the server behaves towards one connection after the other; the last behaviour stays.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// Honours ranges.
    Good,
    /// Announces everything, sends this many bytes more, then hangs up.
    HangsUpAfter(usize),
    /// Sends the whole file whatever was asked for.
    IgnoresRanges,
    /// Sends the bytes from here on, whatever was asked for, and says so.
    WrongRange(usize),
    /// Answers with this status and no file.
    Status(&'static str),
    /// Announces a file of this length.
    Announces(u64),
}

/// A server of one file; it lives as long as the test's process.
struct Server {
    base_url: String,
    /// The `Range` of every request, as it came.
    ranges: Arc<Mutex<Vec<Option<String>>>>,
}

impl Server {
    fn start(file: Vec<u8>, manners: &'static [Manner]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}/sets", listener.local_addr().unwrap());
        let ranges = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&ranges);
        std::thread::spawn(move || {
            for (n_before, stream) in listener.incoming().enumerate() {
                let manner = manners[n_before.min(manners.len() - 1)];
                // A client that hangs up is part of the game.
                let _ = answer(stream.unwrap(), &file, manner, &seen);
            }
        });
        Self { base_url, ranges }
    }
}

fn answer(mut stream: TcpStream, file: &[u8], manner: Manner, ranges: &Mutex<Vec<Option<String>>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap()?;
    assert!(request.starts_with("GET /sets/set.tar HTTP/1.1"), "{request}");
    let headers: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let range = headers.iter().find_map(|line| line.to_ascii_lowercase().strip_prefix("range: ").map(str::to_owned));
    let asked: usize = range.as_deref().map_or(0, |text| text.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap().parse().unwrap());
    ranges.lock().unwrap().push(range.clone());
    let (begin, length) = match manner {
        Manner::Status(status) => return write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        Manner::Announces(length) => return write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"),
        Manner::Good => (asked, file.len()),
        Manner::HangsUpAfter(length) => (asked, length),
        Manner::IgnoresRanges => (0, file.len()),
        Manner::WrongRange(begin) => (begin, file.len()),
    };
    if range.is_some() && asked >= file.len() {
        return write!(stream, "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let rest = &file[begin..];
    let is_part = range.is_some() && !matches!(manner, Manner::IgnoresRanges);
    let status = if is_part { "206 Partial Content" } else { "200 OK" };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n", rest.len())?;
    if is_part {
        write!(stream, "Content-Range: bytes {begin}-{}/{}\r\n", file.len() - 1, file.len())?;
    }
    stream.write_all(b"\r\n")?;
    stream.write_all(&rest[..length.min(rest.len())])
}

/// An archive of two files, large enough to break off in the middle.
fn archive() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, n_bytes) in [("set/dataset.json", 10), ("set/imagesTr/a.nii.gz", 300_000)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(n_bytes);
        let content: Vec<u8> = (0..n_bytes).map(|idx| (idx * idx % 251) as u8).collect();
        builder.append_data(&mut header, path, &content[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

/// A registry entry for `archive`; it lives as long as the test's process, as entries do.
fn entry(archive: &[u8]) -> &'static OpenDataset {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("set.tar"), archive).unwrap();
    let md5 = download::md5_of(&place.path().join("set.tar")).unwrap();
    Box::leak(Box::new(OpenDataset {
        name: "set",
        about: "a set",
        base_url: "http://127.0.0.1:9/nobody",
        archive: "set.tar",
        folder: "set",
        md5: md5.leak(),
        limit_bytes: 1_000_000,
        licence: "CC0",
        citation: "nobody",
    }))
}

/// Fetches the set from a server of such `manners` into an empty folder that holds `present` bytes already.
fn try_fetch(manners: &'static [Manner], present: Option<usize>) -> (TempDir, Server, anyhow::Result<Option<PathBuf>>) {
    let bytes = archive();
    let place = tempfile::tempdir().unwrap();
    if let Some(n_present) = present {
        fs::write(place.path().join("set.tar.part"), &bytes[..n_present]).unwrap();
    }
    let wanted = entry(&bytes);
    let server = Server::start(bytes, manners);
    let result = fetch(wanted, place.path(), Some(&server.base_url), &Stop::never(), &Messages::new(false));
    (place, server, result)
}

/// Names of what lies in the folder, sorted.
fn names(place: &TempDir) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A transfer that ends well, if not at once.
struct Transferred {
    name: &'static str,
    manners: &'static [Manner],
    /// Bytes that an earlier call has left.
    present: Option<usize>,
    /// What is asked for, request by request.
    ranges: &'static [Option<&'static str>],
}

#[test]
fn transfers_that_can_end_well_do() {
    use Manner::{Good, HangsUpAfter, IgnoresRanges, Status};
    let broken_off = &[HangsUpAfter(1000), HangsUpAfter(500), Good];
    let cases = [
        Transferred { name: "at once", manners: &[Good], present: None, ranges: &[None] },
        Transferred { name: "continued", manners: &[Good], present: Some(1000), ranges: &[Some("bytes=1000-")] },
        Transferred { name: "broken off", manners: broken_off, present: None, ranges: &[None, Some("bytes=1000-"), Some("bytes=1500-")] },
        Transferred { name: "busy", manners: &[Status("503 Service Unavailable"), Good], present: None, ranges: &[None, None] },
        Transferred { name: "without ranges", manners: &[IgnoresRanges], present: Some(1000), ranges: &[Some("bytes=1000-")] },
        Transferred { name: "whole already", manners: &[Good], present: Some(302_592), ranges: &[Some("bytes=302592-")] },
        Transferred { name: "an empty part", manners: &[Good], present: Some(0), ranges: &[None] },
    ];
    for Transferred { name, manners, present, ranges } in cases {
        let (place, server, result) = try_fetch(manners, present);
        let folder = result.expect(name).expect(name);
        assert_eq!(fs::read(folder.join("imagesTr/a.nii.gz")).unwrap().len(), 300_000, "{name}");
        assert_eq!(names(&place), ["set"], "{name}: the archive is gone");
        let seen = server.ranges.lock().unwrap();
        assert_eq!(seen.iter().map(Option::as_deref).collect::<Vec<_>>(), ranges, "{name}");
    }
}

#[test]
fn transfers_that_cannot_end_well_say_why() {
    let cases: [(&str, &[Manner], &str, &[&str]); 6] = [
        ("not there", &[Manner::Status("404 Not Found")], "404 Not Found; check the address", &[]),
        ("forbidden", &[Manner::Status("403 Forbidden")], "403 Forbidden", &[]),
        ("breaks off again and again", &[Manner::HangsUpAfter(10)], "run the same command again to continue", &["set.tar.part"]),
        ("another range", &[Manner::HangsUpAfter(1000), Manner::WrongRange(0)], "expected one from byte 1000", &["set.tar.part"]),
        ("announced too large", &[Manner::Announces(2_000_000)], "expected at most 1000000", &[]),
        ("always busy", &[Manner::Status("503 Service Unavailable")], "503 Service Unavailable", &[]),
    ];
    for (name, manners, part, left) in cases {
        let (place, _, result) = try_fetch(manners, None);
        let message = format!("{:#}", result.expect_err(name));
        assert!(message.contains(part) && message.contains("/sets/set.tar"), "{name}: {message}");
        assert_eq!(names(&place), left, "{name}");
    }
}

#[test]
fn a_wrong_checksum_is_an_error_and_the_next_try_begins_anew() {
    let place = tempfile::tempdir().unwrap();
    let good = archive();
    let mut damaged = good.clone();
    damaged[2000] ^= 1;
    let wanted = entry(&good);
    let server = Server::start(damaged, &[Manner::Good]);
    let try_from = |base_url: &str| fetch(wanted, place.path(), Some(base_url), &Stop::never(), &Messages::new(false));
    let message = format!("{:#}", try_from(&server.base_url).expect_err("one bit is wrong"));
    assert!(message.contains(&format!("expected {}", wanted.md5)) && message.contains("run the same command again"), "{message}");
    assert_eq!(names(&place), ["set.tar.rejected"]);

    let server = Server::start(good, &[Manner::Good]);
    assert!(try_from(&server.base_url).unwrap().is_some());
    assert_eq!(*server.ranges.lock().unwrap(), [None]);
}

#[test]
fn an_archive_that_lies_there_is_verified_and_used() {
    let place = tempfile::tempdir().unwrap();
    let wanted = entry(&archive());
    fs::write(place.path().join("set.tar"), "something else").unwrap();
    let without_network = || fetch(wanted, place.path(), None, &Stop::never(), &Messages::new(false));
    let message = format!("{:#}", without_network().expect_err("it is another file"));
    assert!(message.contains("remove it"), "{message}");
    fs::write(place.path().join("set.tar"), archive()).unwrap();
    assert_eq!(without_network().unwrap(), Some(place.path().join("set")));
    assert_eq!(without_network().unwrap(), Some(place.path().join("set")), "a second time there is nothing to do");
}

#[test]
fn a_stopped_download_keeps_what_has_arrived() {
    let place = tempfile::tempdir().unwrap();
    let bytes = archive();
    let wanted = entry(&bytes);
    fs::write(place.path().join("set.tar.part"), &bytes[..1000]).unwrap();
    let server = Server::start(bytes, &[Manner::Good]);
    let result = fetch(wanted, place.path(), Some(&server.base_url), &Stop::at_once(), &Messages::new(false));
    assert_eq!(result.unwrap(), None);
    assert_eq!(fs::metadata(place.path().join("set.tar.part")).unwrap().len(), 1000);
}
