//! `sagittal fetch` as far as the program can be driven without the real archive; its parts are tested where they are.

use std::{
    io::{Read, Write},
    net::TcpListener,
};

use super::{
    files::{write_cube, write_image},
    sagittal,
};

#[test]
fn a_file_that_is_not_the_archive_is_refused_and_kept_aside() {
    let place = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        // The page of a proxy that wants a password: status 200, and not what was asked for.
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 21\r\nConnection: close\r\n\r\n<html>Log in!</html>\n");
    });
    let call = sagittal(place.path(), &["fetch", "hippocampus", "-o", "data", "--url", &base]).exits(1);
    call.says("expected 9d24dba78a72977dbd1d2e110310f31b").says("data/Task04_Hippocampus.tar.rejected").says("--url");
    assert_eq!(std::fs::read(place.path().join("data/Task04_Hippocampus.tar.rejected")).unwrap(), b"<html>Log in!</html>\n");
}

#[test]
fn a_server_that_is_not_there_is_an_error_with_a_cure() {
    let place = tempfile::tempdir().unwrap();
    // Bound and let go: nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let call = sagittal(place.path(), &["fetch", "hippocampus", "--url", &format!("http://{address}")]).exits(1);
    call.says("could not be downloaded; run the same command again").says("by other means to ./Task04_Hippocampus.tar");
}

#[test]
fn a_set_that_is_there_is_checked_and_its_terms_are_told() {
    let place = tempfile::tempdir().unwrap();
    let set = place.path().join("data/Task04_Hippocampus");
    write_image(&set.join("imagesTr/hippocampus_001.nii.gz"), 0);
    write_cube(&set.join("labelsTr/hippocampus_001.nii.gz"), 4);
    let description = r#"{"name": "Hippocampus", "modality": {"0": "MRI"}, "labels": {"0": "background", "1": "Anterior", "2": "Posterior"},
        "training": [{"image": "./imagesTr/hippocampus_001.nii.gz", "label": "./labelsTr/hippocampus_001.nii.gz"}], "test": []}"#;
    std::fs::write(set.join("dataset.json"), description).unwrap();
    let call = sagittal(place.path(), &["fetch", "hippocampus", "-o", "data"]).exits(0);
    call.says("is there already: it is only checked")
        .prints("0 errors")
        .prints("CC-BY-SA 4.0")
        .prints("The Medical Segmentation Decathlon");
    let json = sagittal(place.path(), &["fetch", "hippocampus", "-o", "data", "--json"]).exits(0).json();
    assert_eq!(json["check"]["training"], 1);
}
