#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn json(bytes: &[u8]) -> serde_json::Value {
    let (heap, value, used) = unpickle(bytes).unwrap();
    assert_eq!(used, bytes.len());
    heap.json(value, 50, &mut 1000).unwrap()
}

fn finding(bytes: &[u8]) -> String {
    match unpickle(bytes).unwrap_err() {
        PickleError::Forbidden(name) => name,
        PickleError::Malformed { finding, .. } => finding,
    }
}

#[test]
fn what_python_pickles_is_read() {
    // pickle.dumps({"a": [1, -2, 300, 70000, 2**40, 1.5, True, None], "b": ("x", b"yz")}, protocol) of Python 3.11.
    let two = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01]q\x02(K\x01J\xfe\xff\xff\xffM,\x01Jp\x11\x01\x00\x8a\x06\x00\x00\x00\x00\x00\x01G?\xf8\x00\x00\x00\x00\x00\x00\x88NeX\x01\x00\x00\x00bq\x03X\x01\x00\x00\x00xq\x04c_codecs\nencode\nq\x05X\x02\x00\x00\x00yzq\x06X\x06\x00\x00\x00latin1q\x07\x86q\x08Rq\t\x86q\nu.";
    let four = b"\x80\x04\x95?\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94]\x94(K\x01J\xfe\xff\xff\xffM,\x01Jp\x11\x01\x00\x8a\x06\x00\x00\x00\x00\x00\x01G?\xf8\x00\x00\x00\x00\x00\x00\x88Ne\x8c\x01b\x94\x8c\x01x\x94C\x02yz\x94\x86\x94u.";
    for bytes in [&two[..], &four[..]] {
        // Bytes have no form in JSON.
        assert_eq!(json(bytes), serde_json::json!({ "a": [1, -2, 300, 70000, 1u64 << 40, 1.5, true, null], "b": ["x", null] }));
    }
}

#[test]
fn what_is_written_is_read() {
    let data = serde_json::json!({ "a": [1, -70000, 1u64 << 40, 0.25, "text", true, null, []], "b": { "c": {} } });
    assert_eq!(json(&pickle(&Item::from(&data))), data);
    let bytes = pickle(&Item::Tensor { key: "7".into(), shape: vec![2, 3, 4] });
    let (heap, value, _) = unpickle(&bytes).unwrap();
    let Some(Object::Tensor(tensor)) = heap.object(value) else { panic!("no tensor: {value:?}") };
    assert_eq!((tensor.storage.key.as_str(), tensor.storage.n_numbers, tensor.offset), ("7", 24, 0));
    assert_eq!((&tensor.shape[..], &tensor.strides[..]), (&[2, 3, 4][..], &[12, 4, 1][..]));
}

#[test]
fn numbers_of_numpy_are_numbers() {
    // pickle.dumps([np.float32(0.5), np.float64(2.5), np.int64(-3), np.bool_(True)], 2), names as numpy 1 and 2 have them.
    let scalar = |module: &str, kind: &str, order: &str, bytes: &str| {
        format!(
            "c{module}.multiarray\nscalar\ncnumpy\ndtype\nX\x02\0\0\0{kind}\u{89}\u{88}\u{87}R(K\x03X\x01\0\0\0{order}NNNtb\
             c_codecs\nencode\nX{}{bytes}X\x06\0\0\0latin1\u{86}R\u{86}R",
            String::from_utf8((bytes.len() as u32).to_le_bytes().to_vec()).unwrap()
        )
    };
    let bytes_of = |text: &str| text.chars().map(|c| u32::from(c) as u8).collect::<Vec<u8>>();
    let cases = [
        ("numpy.core", "f4", "<", "\0\0\0?", serde_json::json!(0.5)),
        ("numpy._core", "f4", ">", "?\0\0\0", serde_json::json!(0.5)),
        ("numpy._core", "i2", "<", "\x03\0", serde_json::json!(3)),
        ("numpy._core", "b1", "|", "\x01", serde_json::json!(true)),
    ];
    for (module, kind, order, number, expected) in cases {
        let bytes = [&b"\x80\x02"[..], &bytes_of(&scalar(module, kind, order, number)), b"."].concat();
        assert_eq!(json(&bytes), expected, "{kind}");
    }
}

#[test]
fn names_outside_the_list_are_named_and_nothing_runs() {
    for (bytes, name) in [
        (&b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R."[..], "os.system"),
        (b"cos\nsystem\n(S'true'\ntR.", "os.system"),
        (b"(S'true'\nios\nsystem\n.", "INST"),
        (b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.", "builtins.eval"),
        (b"\x80\x02ctorch\nload\n.", "torch.load"),
        (b"\x80\x02cnumpy\nload\n.", "numpy.load"),
        // An attribute of something allowed is another name.
        (b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93.", "collections.OrderedDict.__init__"),
    ] {
        let found = finding(bytes);
        assert!(found.contains(name) || found.contains("0x53"), "{found}");
    }
}

#[test]
fn damage_is_an_error() {
    let cases: [(&[u8], &str); 14] = [
        (b"", "breaks off"),
        (b"\x80\x02", "breaks off"),
        (b"\x80\x01N.", "protocol 1"),
        (b"\x80\x02.", "stack"),
        (b"\x80\x02t.", "mark"),
        (b"\x80\x02NNa.", "no list"),
        (b"\x80\x02(NN0u.", "without a value"),
        (b"\x80\x02h\x05.", "never made"),
        (b"\x80\x02X\xff\xff\xff\xffabc.", "breaks off"),
        (b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc.", "breaks off"),
        (b"\x80\x02X\x01\0\0\0\xff.", "UTF-8"),
        (b"\x80\x02\x8a\x09\x01\x01\x01\x01\x01\x01\x01\x01\x01.", "64 bits"),
        (b"\x80\x02NNR.", "no function"),
        (b"\x80\x02(N1t.", "mark"),
    ];
    for (bytes, part) in cases {
        let found = finding(bytes);
        assert!(found.contains(part), "{bytes:?}: {found}");
    }
}

#[test]
fn a_pickle_that_holds_itself_or_unfolds_is_no_danger() {
    // a = []; a.append(a)
    let (heap, value, _) = unpickle(b"\x80\x02]q\x00h\x00a.").unwrap();
    assert_eq!(heap.json(value, 50, &mut 1000), None);
    // Each list holds the last one ten times: a thousand million elements if it were unfolded.
    let mut bytes = b"\x80\x02]q\x00".to_vec();
    for level in 1u8..10 {
        bytes.extend([b']', b'q', level, b'(']);
        bytes.extend([b'h', level - 1].repeat(10));
        bytes.push(b'e');
    }
    bytes.push(b'.');
    let (heap, value, _) = unpickle(&bytes).unwrap();
    assert_eq!(heap.json(value, 50, &mut 100_000), None);
    // One long text encoded over and over.
    let mut bytes = b"\x80\x02X\0\0\x10\0".to_vec();
    bytes.extend(vec![b'a'; 1 << 20]);
    bytes.extend(b"q\x00c_codecs\nencode\nq\x01");
    bytes.extend(b"h\x01h\x00\x85R".repeat(20));
    bytes.push(b'.');
    assert!(finding(&bytes).contains("unfolds"));
}
