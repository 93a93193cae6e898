//! Python's pickles, as far as checkpoints of PyTorch use them, read without running anything.
//!
//! A pickle is a program for a small stack machine that may call any function of any module by name. Here names mean
//! something only if they stand in the list of [`Global`]s, each of which builds plain data; every other name ends the reading
//! with an error that says it. Objects lie in a [`Heap`] and point to each other by number, so that a pickle that holds
//! itself is no danger, and reading is a loop without recursion.

mod globals;
mod machine;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use globals::{Global, NumberType, StorageType};
pub(crate) use machine::unpickle;
pub(crate) use write::{Item, pickle};

/// A value on the machine's stack or inside an object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Global(Global),
    /// Position in the heap.
    Object(u32),
}

/// What needs more room than a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Object {
    Text(String),
    Bytes(Vec<u8>),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    /// Entries in the order in which they were set; of equal keys the last one counts.
    Dict(Vec<(Value, Value)>),
    Storage(StorageReference),
    Tensor(TensorReference),
    NumberType(NumberType),
    /// Something without a meaning for a model: a device, an array in a log.
    Inert,
}

/// Numbers that lie outside the pickle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StorageReference {
    pub(crate) number_type: StorageType,
    /// Name of the entry that holds the numbers.
    pub(crate) key: String,
    pub(crate) n_numbers: u64,
}

/// Numbers of a storage, seen as an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TensorReference {
    pub(crate) storage: StorageReference,
    pub(crate) offset: u64,
    pub(crate) shape: Vec<u64>,
    pub(crate) strides: Vec<u64>,
}

/// All objects of a pickle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heap(Vec<Object>);

/// Why a pickle was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PickleError {
    /// It names something that is not in the list.
    Forbidden(String),
    /// It is damaged, or written in a way that PyTorch does not use.
    Malformed { finding: String, at: usize },
}

impl Heap {
    pub(crate) fn object(&self, value: Value) -> Option<&Object> {
        match value {
            Value::Object(index) => self.0.get(index as usize),
            _ => None,
        }
    }

    pub(crate) fn text(&self, value: Value) -> Option<&str> {
        match self.object(value)? {
            Object::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Elements of a list or tuple.
    pub(crate) fn elements(&self, value: Value) -> Option<&[Value]> {
        match self.object(value)? {
            Object::Tuple(elements) | Object::List(elements) => Some(elements),
            _ => None,
        }
    }

    pub(crate) fn entries(&self, value: Value) -> Option<&[(Value, Value)]> {
        match self.object(value)? {
            Object::Dict(entries) => Some(entries),
            _ => None,
        }
    }

    /// The entry of a dictionary under a text.
    pub(crate) fn entry(&self, dictionary: Value, key: &str) -> Option<Value> {
        let (_, value) = self.entries(dictionary)?.iter().rev().find(|(found, _)| self.text(*found) == Some(key))?;
        Some(*value)
    }

    /// Plain data as JSON, at most `depth` deep and with what is no data as null; `None` beyond `budget` values.
    pub(crate) fn json(&self, value: Value, depth: usize, budget: &mut usize) -> Option<serde_json::Value> {
        use serde_json::Value as Json;
        *budget = budget.checked_sub(1)?;
        let inner = depth.checked_sub(1)?;
        Some(match value {
            Value::None | Value::Global(_) => Json::Null,
            Value::Bool(value) => value.into(),
            Value::Int(value) => value.into(),
            Value::Float(value) => value.into(),
            Value::Object(_) => match self.object(value)? {
                Object::Text(text) => Json::String(text.clone()),
                Object::Tuple(elements) | Object::List(elements) => {
                    Json::Array(elements.iter().map(|element| self.json(*element, inner, budget)).collect::<Option<_>>()?)
                }
                Object::Dict(entries) => {
                    let mut map = serde_json::Map::new();
                    for (key, value) in entries {
                        let key = match key {
                            Value::Int(key) => key.to_string(),
                            key => match self.text(*key) {
                                Some(key) => key.to_owned(),
                                None => continue,
                            },
                        };
                        map.insert(key, self.json(*value, inner, budget)?);
                    }
                    Json::Object(map)
                }
                _ => Json::Null,
            },
        })
    }
}
