//! The stack machine: one instruction after the other (Python's `pickletools` lists them).

use super::{Global, Heap, NumberType, Object, PickleError, StorageReference, TensorReference, Value};
use std::collections::HashMap;

/// Pickles of checkpoints are some 100 KB; this bounds what a hostile one takes.
const MOST_BYTES: usize = 16 << 20;
/// Objects of a pickle: a checkpoint of a thousand epochs has some 100,000.
const MOST_OBJECTS: usize = 2 << 20;
/// Axes of an array, beyond what PyTorch itself allows.
const MOST_AXES: usize = 64;
/// Bytes or entries that calls may copy in all: a short pickle must not blow up.
const MOST_COPIED: usize = 16 << 20;
/// Length of a storage's name, which is a number.
const LONGEST_KEY: usize = 200;
/// Arguments of a call, more than any function of the list takes.
const MOST_ARGUMENTS: usize = 8;

/// Runs the pickle at the beginning of `bytes`: its objects, the value that it leaves, and its length.
pub(crate) fn unpickle(bytes: &[u8]) -> Result<(Heap, Value, usize), PickleError> {
    let mut machine = Machine { bytes: &bytes[..bytes.len().min(MOST_BYTES)], ..Machine::default() };
    loop {
        let start = machine.at;
        match machine.step() {
            Ok(None) => {}
            Ok(Some(result)) => return Ok((machine.heap, result, machine.at)),
            Err(Stop::Forbidden(name)) => return Err(PickleError::Forbidden(name)),
            Err(Stop::Because(finding)) => return Err(PickleError::Malformed { finding, at: start }),
        }
    }
}

/// Why a step was not taken.
enum Stop {
    Forbidden(String),
    Because(String),
}

impl From<&str> for Stop {
    fn from(finding: &str) -> Self {
        Self::Because(finding.to_owned())
    }
}

#[derive(Default)]
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    /// Heights of the stack that are marked.
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    heap: Heap,
    /// What calls have copied so far.
    copied: usize,
}

impl Machine<'_> {
    /// One instruction; the result if it was the last.
    fn step(&mut self) -> Result<Option<Value>, Stop> {
        let instruction = self.take(1)?[0];
        match instruction {
            b'.' => return self.pop().map(Some),
            0x80 => match self.take(1)?[0] {
                2..=5 => {}
                other => return Err(Stop::Because(format!("a pickle of protocol {other}, expected 2 to 5"))),
            },
            // The length of a frame: the whole pickle is in memory anyway.
            0x95 => _ = self.take(8)?,
            b'(' => self.marks.push(self.stack.len()),
            b'0' => _ = self.pop()?,
            b'1' => _ = self.pop_to_mark()?,
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'N' => self.stack.push(Value::None),
            0x88 => self.stack.push(Value::Bool(true)),
            0x89 => self.stack.push(Value::Bool(false)),
            b'J' => {
                let number = self.little::<4>()?;
                self.stack.push(Value::Int(i64::from(i32::from_le_bytes(number))));
            }
            b'K' => {
                let number = self.take(1)?[0];
                self.stack.push(Value::Int(i64::from(number)));
            }
            b'M' => {
                let number = self.little::<2>()?;
                self.stack.push(Value::Int(i64::from(u16::from_le_bytes(number))));
            }
            0x8a => {
                let length = usize::from(self.take(1)?[0]);
                self.long(length)?;
            }
            0x8b => {
                let length = self.length::<4>()?;
                self.long(length)?;
            }
            b'G' => {
                let number = self.little::<8>()?;
                self.stack.push(Value::Float(f64::from_be_bytes(number)));
            }
            b'X' => self.text::<4>()?,
            0x8c => self.text::<1>()?,
            0x8d => self.text::<8>()?,
            b'B' | b'T' => self.binary::<4>()?,
            b'C' | b'U' => self.binary::<1>()?,
            0x8e => self.binary::<8>()?,
            b']' | 0x8f => self.push(Object::List(Vec::new()))?,
            b')' => self.push(Object::Tuple(Vec::new()))?,
            b'}' => self.push(Object::Dict(Vec::new()))?,
            b'l' => {
                let elements = self.pop_to_mark()?;
                self.push(Object::List(elements))?;
            }
            b't' | 0x91 => {
                let elements = self.pop_to_mark()?;
                self.push(Object::Tuple(elements))?;
            }
            b'd' => {
                let entries = pairs(self.pop_to_mark()?)?;
                self.push(Object::Dict(entries))?;
            }
            0x85..=0x87 => {
                let mut elements: Vec<Value> = (0x84..instruction).map(|_| self.pop()).collect::<Result<_, _>>()?;
                elements.reverse();
                self.push(Object::Tuple(elements))?;
            }
            b'a' => {
                let element = self.pop()?;
                self.append(vec![element])?;
            }
            b'e' | 0x90 => {
                let elements = self.pop_to_mark()?;
                self.append(elements)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(vec![(key, value)])?;
            }
            b'u' => {
                let entries = pairs(self.pop_to_mark()?)?;
                self.set(entries)?;
            }
            b'q' => {
                let place = u32::from(self.take(1)?[0]);
                self.memorise(place)?;
            }
            b'r' => {
                let place = u32::from_le_bytes(self.little::<4>()?);
                self.memorise(place)?;
            }
            0x94 => {
                let place = u32::try_from(self.memo.len()).map_err(|_| "too many remembered objects")?;
                self.memorise(place)?;
            }
            b'h' => {
                let place = u32::from(self.take(1)?[0]);
                self.recall(place)?;
            }
            b'j' => {
                let place = u32::from_le_bytes(self.little::<4>()?);
                self.recall(place)?;
            }
            b'c' | b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(&module, &name)?;
                if instruction == b'i' {
                    return Err("an instruction that PyTorch does not write (INST)".into());
                }
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let text = |value| self.heap.text(value).map(str::to_owned).ok_or(Stop::from("a name that is no text"));
                let (module, name) = (text(module)?, text(name)?);
                self.global(&module, &name)?;
            }
            b'R' | 0x81 => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                let Value::Global(function) = function else { return Err("a call of something that is no function".into()) };
                let arguments = self.heap.elements(arguments).ok_or("a call without arguments")?;
                let arguments = arguments[..arguments.len().min(MOST_ARGUMENTS)].to_vec();
                let result = self.call(function, &arguments)?;
                self.stack.push(result);
            }
            b'b' => {
                let (state, target) = (self.pop()?, self.top()?);
                self.build(target, state)?;
            }
            b'Q' => {
                let reference = self.pop()?;
                let storage = self.storage(reference)?;
                self.push(Object::Storage(storage))?;
            }
            other => return Err(Stop::Because(format!("instruction 0x{other:02x}, which PyTorch does not write"))),
        }
        Ok(None)
    }

    fn take(&mut self, n: usize) -> Result<&[u8], Stop> {
        let end = self.at.checked_add(n).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| {
            if self.bytes.len() == MOST_BYTES { Stop::from("a pickle of more than 16 MiB") } else { Stop::from("its pickle breaks off") }
        })?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn little<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let bytes = self.take(N)?;
        Ok(std::array::from_fn(|i| bytes[i]))
    }

    fn length<const N: usize>(&mut self) -> Result<usize, Stop> {
        let bytes = self.little::<N>()?;
        let length = bytes.iter().rev().fold(0u64, |length, byte| length << 8 | u64::from(*byte));
        usize::try_from(length).map_err(|_| "a length that no machine can hold".into())
    }

    fn long(&mut self, length: usize) -> Result<(), Stop> {
        let bytes = self.take(length)?;
        let Some(&highest) = bytes.last() else {
            self.stack.push(Value::Int(0));
            return Ok(());
        };
        if bytes.len() > 8 {
            return Err("an integer of more than 64 bits".into());
        }
        let fill = if highest >= 0x80 { 0xff } else { 0 };
        let number = i64::from_le_bytes(std::array::from_fn(|i| bytes.get(i).copied().unwrap_or(fill)));
        self.stack.push(Value::Int(number));
        Ok(())
    }

    fn text<const N: usize>(&mut self) -> Result<(), Stop> {
        let length = self.length::<N>()?;
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| "text that is not UTF-8")?.to_owned();
        self.push(Object::Text(text))
    }

    fn binary<const N: usize>(&mut self) -> Result<(), Stop> {
        let length = self.length::<N>()?;
        let bytes = self.take(length)?.to_vec();
        self.push(Object::Bytes(bytes))
    }

    fn line(&mut self) -> Result<String, Stop> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| *byte == b'\n').ok_or("its pickle breaks off")?;
        let line = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length + 1;
        Ok(line)
    }

    fn push(&mut self, object: Object) -> Result<(), Stop> {
        let value = self.allocate(object)?;
        self.stack.push(value);
        Ok(())
    }

    fn allocate(&mut self, object: Object) -> Result<Value, Stop> {
        if self.heap.0.len() >= MOST_OBJECTS {
            return Err(Stop::Because(format!("more than {MOST_OBJECTS} objects")));
        }
        self.heap.0.push(object);
        Ok(Value::Object((self.heap.0.len() - 1) as u32))
    }

    fn pop(&mut self) -> Result<Value, Stop> {
        self.stack.pop().ok_or("more is taken from the stack than lies on it".into())
    }

    fn top(&self) -> Result<Value, Stop> {
        self.stack.last().copied().ok_or("more is taken from the stack than lies on it".into())
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>, Stop> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => Err("a mark is missing".into()),
        }
    }

    fn memorise(&mut self, place: u32) -> Result<(), Stop> {
        let top = self.top()?;
        self.memo.insert(place, top);
        Ok(())
    }

    fn recall(&mut self, place: u32) -> Result<(), Stop> {
        let value = *self.memo.get(&place).ok_or("an object is used that was never made")?;
        self.stack.push(value);
        Ok(())
    }

    fn object_mut(&mut self, value: Value) -> Option<&mut Object> {
        match value {
            Value::Object(index) => self.heap.0.get_mut(index as usize),
            _ => None,
        }
    }

    fn append(&mut self, added: Vec<Value>) -> Result<(), Stop> {
        let target = self.top()?;
        match self.object_mut(target) {
            Some(Object::List(elements)) => elements.extend(added),
            _ => return Err("elements are added to something that is no list".into()),
        }
        Ok(())
    }

    fn set(&mut self, added: Vec<(Value, Value)>) -> Result<(), Stop> {
        let target = self.top()?;
        match self.object_mut(target) {
            Some(Object::Dict(entries)) => entries.extend(added),
            _ => return Err("entries are added to something that is no dictionary".into()),
        }
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<(), Stop> {
        let readable = |text: &str| text.chars().filter(|c| !c.is_control()).take(100).collect::<String>();
        let global = Global::named(module, name).ok_or_else(|| Stop::Forbidden(format!("{}.{}", readable(module), readable(name))))?;
        self.stack.push(Value::Global(global));
        Ok(())
    }

    fn call(&mut self, function: Global, arguments: &[Value]) -> Result<Value, Stop> {
        let argument = |i: usize| arguments.get(i).copied().ok_or(Stop::from("a call with too few arguments"));
        let object = match function {
            Global::OrderedDict => {
                let pairs = match arguments.first() {
                    None => Vec::new(),
                    Some(list) => {
                        let list = self.heap.elements(*list).ok_or("a dictionary of something that is no list")?;
                        self.copied = copied(self.copied, list.len())?;
                        let pair = |pair: &Value| match self.heap.elements(*pair) {
                            Some([key, value]) => Ok((*key, *value)),
                            _ => Err(Stop::from("a dictionary of something other than pairs")),
                        };
                        list.iter().map(pair).collect::<Result<_, _>>()?
                    }
                };
                Object::Dict(pairs)
            }
            Global::RebuildTensor | Global::RebuildTensorV2 => {
                let Some(Object::Storage(storage)) = self.heap.object(argument(0)?) else { return Err("an array without numbers".into()) };
                let storage = storage.clone();
                let offset = natural(argument(1)?)?;
                let (shape, strides) = (self.naturals(argument(2)?)?, self.naturals(argument(3)?)?);
                if shape.len() != strides.len() {
                    return Err("an array with other axes than strides".into());
                }
                Object::Tensor(TensorReference { storage, offset, shape, strides })
            }
            // A tensor that is trained.
            Global::RebuildParameter => return argument(0),
            Global::Size => return argument(0),
            Global::NumpyDtype => match self.heap.text(argument(0)?).and_then(NumberType::named) {
                Some(number_type) => Object::NumberType(number_type),
                None => Object::Inert,
            },
            Global::NumpyScalar => {
                let (number_type, bytes) = (self.heap.object(argument(0)?), self.heap.object(argument(1)?));
                match (number_type, bytes) {
                    (Some(Object::NumberType(number_type)), Some(Object::Bytes(bytes))) => {
                        return number_type.number(bytes).ok_or("a number of a wrong length".into());
                    }
                    _ => Object::Inert,
                }
            }
            Global::Encode => {
                let text = self.heap.text(argument(0)?).ok_or("something to encode that is no text")?;
                self.copied = copied(self.copied, text.len())?;
                let byte = |c: char| u8::try_from(u32::from(c)).map_err(|_| Stop::from("text that is not Latin-1"));
                Object::Bytes(text.chars().map(byte).collect::<Result<_, _>>()?)
            }
            Global::Device | Global::NumpyReconstruct => Object::Inert,
            Global::Storage(_) | Global::NumpyArray => return Err("a storage or array is made in a way that PyTorch does not use".into()),
        };
        self.allocate(object)
    }

    fn build(&mut self, target: Value, state: Value) -> Result<(), Stop> {
        let order = self.heap.elements(state).and_then(|state| state.get(1)).and_then(|order| self.heap.text(*order));
        let is_big_endian = order == Some(">");
        match self.object_mut(target) {
            Some(Object::NumberType(number_type)) => number_type.is_big_endian = is_big_endian,
            // Attributes that a state dictionary carries beside its entries, and what has no meaning here.
            Some(Object::Dict(_) | Object::Inert) => {}
            _ => return Err("a state is given to something that has none".into()),
        }
        Ok(())
    }

    /// `('storage', type, key, device, number of numbers)`.
    fn storage(&self, reference: Value) -> Result<StorageReference, Stop> {
        let Some([kind, number_type, key, _, n_numbers, ..]) = self.heap.elements(reference) else {
            return Err("a reference to something that is no storage".into());
        };
        match (self.heap.text(*kind), number_type, self.heap.text(*key)) {
            (Some("storage"), Value::Global(Global::Storage(number_type)), Some(key)) if key.len() <= LONGEST_KEY => {
                Ok(StorageReference { number_type: *number_type, key: key.to_owned(), n_numbers: natural(*n_numbers)? })
            }
            _ => Err("a reference to something that is no storage".into()),
        }
    }

    fn naturals(&self, list: Value) -> Result<Vec<u64>, Stop> {
        let elements = self.heap.elements(list).filter(|elements| elements.len() <= MOST_AXES).ok_or("a shape that is none")?;
        elements.iter().map(|value| natural(*value)).collect()
    }
}

fn copied(before: usize, more: usize) -> Result<usize, Stop> {
    before.checked_add(more).filter(|sum| *sum <= MOST_COPIED).ok_or("a pickle that unfolds to far more than it is".into())
}

fn natural(value: Value) -> Result<u64, Stop> {
    match value {
        Value::Int(number) => u64::try_from(number).map_err(|_| "a negative size".into()),
        _ => Err("a size that is no integer".into()),
    }
}

fn pairs(values: Vec<Value>) -> Result<Vec<(Value, Value)>, Stop> {
    if !values.len().is_multiple_of(2) {
        return Err("a key without a value".into());
    }
    Ok(values.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}
