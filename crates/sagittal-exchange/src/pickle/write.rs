//! Writing pickles: plain data and references to arrays, nothing else.

/// What is written.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Item>),
    Tuple(Vec<Item>),
    /// A dictionary with texts as keys, in this order.
    Dict(Vec<(String, Item)>),
    /// Float32 numbers of storage `key`, in order.
    Tensor {
        key: String,
        shape: Vec<usize>,
    },
}

/// The pickle of an item, protocol 2, as `torch.save` would write it but without shared texts.
pub(crate) fn pickle(item: &Item) -> Vec<u8> {
    let mut bytes = vec![0x80, 2];
    write(item, &mut bytes);
    bytes.push(b'.');
    bytes
}

fn write(item: &Item, bytes: &mut Vec<u8>) {
    match item {
        Item::None => bytes.push(b'N'),
        Item::Bool(value) => bytes.push(if *value { 0x88 } else { 0x89 }),
        Item::Int(value) => match i32::try_from(*value) {
            Ok(value) => {
                bytes.push(b'J');
                bytes.extend(value.to_le_bytes());
            }
            Err(_) => {
                bytes.extend([0x8a, 8]);
                bytes.extend(value.to_le_bytes());
            }
        },
        Item::Float(value) => {
            bytes.push(b'G');
            bytes.extend(value.to_be_bytes());
        }
        Item::Text(text) => write_text(text, bytes),
        Item::List(items) => {
            bytes.extend(b"](");
            items.iter().for_each(|item| write(item, bytes));
            bytes.push(b'e');
        }
        Item::Tuple(items) => {
            bytes.push(b'(');
            items.iter().for_each(|item| write(item, bytes));
            bytes.push(b't');
        }
        Item::Dict(entries) => {
            bytes.extend(b"}(");
            for (key, value) in entries {
                write_text(key, bytes);
                write(value, bytes);
            }
            bytes.push(b'u');
        }
        Item::Tensor { key, shape } => write_tensor(key, shape, bytes),
    }
}

fn write_text(text: &str, bytes: &mut Vec<u8>) {
    bytes.push(b'X');
    let length = u32::try_from(text.len()).expect("texts of a model are short");
    bytes.extend(length.to_le_bytes());
    bytes.extend(text.as_bytes());
}

/// `torch._utils._rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())`.
fn write_tensor(key: &str, shape: &[usize], bytes: &mut Vec<u8>) {
    let int = |value: usize| Item::Int(value as i64);
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    bytes.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
    write_text("storage", bytes);
    bytes.extend(b"ctorch\nFloatStorage\n");
    write_text(key, bytes);
    write_text("cpu", bytes);
    write(&int(shape.iter().product()), bytes);
    bytes.extend(b"tQ");
    write(&int(0), bytes);
    write(&Item::Tuple(shape.iter().copied().map(int).collect()), bytes);
    write(&Item::Tuple(strides.into_iter().map(int).collect()), bytes);
    bytes.push(0x89);
    bytes.extend(b"ccollections\nOrderedDict\n)RtR");
}

impl From<&serde_json::Value> for Item {
    fn from(json: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match json {
            Json::Null => Self::None,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(value) => Self::Int(value),
                None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::Text(text.clone()),
            Json::Array(elements) => Self::List(elements.iter().map(Self::from).collect()),
            Json::Object(entries) => Self::Dict(entries.iter().map(|(key, value)| (key.clone(), Self::from(value))).collect()),
        }
    }
}
