//! The names that a pickle may use. None of them runs anything: each builds plain data.

use half::{bf16, f16};

/// What a name of the list builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildTensorV2,
    RebuildParameter,
    Storage(StorageType),
    Device,
    Size,
    NumpyScalar,
    NumpyDtype,
    NumpyReconstruct,
    NumpyArray,
    Encode,
}

/// The type of the numbers of a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StorageType {
    Double,
    Float,
    Half,
    BFloat16,
    Long,
    Int,
    Short,
    Char,
    Byte,
    Bool,
}

/// A number type of numpy, such as `<f4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NumberType {
    pub(crate) kind: u8,
    pub(crate) n_bytes: u8,
    pub(crate) is_big_endian: bool,
}

/// The list. What a checkpoint of nnU-Net 2.8 uses, its older spellings, and the types of storages.
const LIST: [(&str, &str, Global); 25] = [
    ("collections", "OrderedDict", Global::OrderedDict),
    ("torch._utils", "_rebuild_tensor", Global::RebuildTensor),
    ("torch._utils", "_rebuild_tensor_v2", Global::RebuildTensorV2),
    ("torch._utils", "_rebuild_parameter", Global::RebuildParameter),
    ("torch", "DoubleStorage", Global::Storage(StorageType::Double)),
    ("torch", "FloatStorage", Global::Storage(StorageType::Float)),
    ("torch", "HalfStorage", Global::Storage(StorageType::Half)),
    ("torch", "BFloat16Storage", Global::Storage(StorageType::BFloat16)),
    ("torch", "LongStorage", Global::Storage(StorageType::Long)),
    ("torch", "IntStorage", Global::Storage(StorageType::Int)),
    ("torch", "ShortStorage", Global::Storage(StorageType::Short)),
    ("torch", "CharStorage", Global::Storage(StorageType::Char)),
    ("torch", "ByteStorage", Global::Storage(StorageType::Byte)),
    ("torch", "BoolStorage", Global::Storage(StorageType::Bool)),
    ("torch", "device", Global::Device),
    ("torch", "Size", Global::Size),
    ("numpy", "dtype", Global::NumpyDtype),
    ("numpy", "ndarray", Global::NumpyArray),
    ("numpy._core.multiarray", "scalar", Global::NumpyScalar),
    ("numpy.core.multiarray", "scalar", Global::NumpyScalar),
    ("numpy._core.multiarray", "_reconstruct", Global::NumpyReconstruct),
    ("numpy.core.multiarray", "_reconstruct", Global::NumpyReconstruct),
    ("_codecs", "encode", Global::Encode),
    // Python 2's and 3's own spellings of the same dictionary.
    ("__builtin__", "dict", Global::OrderedDict),
    ("builtins", "dict", Global::OrderedDict),
];

impl Global {
    /// What `module.name` builds, if it is in the list.
    pub(crate) fn named(module: &str, name: &str) -> Option<Self> {
        LIST.iter().find(|(m, n, _)| *m == module && *n == name).map(|(_, _, global)| *global)
    }
}

impl StorageType {
    pub(crate) fn n_bytes(self) -> usize {
        match self {
            Self::Double | Self::Long => 8,
            Self::Float | Self::Int => 4,
            Self::Half | Self::BFloat16 | Self::Short => 2,
            Self::Char | Self::Byte | Self::Bool => 1,
        }
    }

    /// The number in the first bytes of `bytes`, which lie lowest first.
    ///
    /// # Panics
    /// If there are fewer than [`StorageType::n_bytes`].
    pub(crate) fn number(self, bytes: &[u8]) -> f32 {
        let eight = || std::array::from_fn::<u8, 8, _>(|i| bytes[i]);
        let four = || std::array::from_fn::<u8, 4, _>(|i| bytes[i]);
        let two = || [bytes[0], bytes[1]];
        match self {
            Self::Double => f64::from_le_bytes(eight()) as f32,
            Self::Float => f32::from_le_bytes(four()),
            Self::Half => f16::from_le_bytes(two()).to_f32(),
            Self::BFloat16 => bf16::from_le_bytes(two()).to_f32(),
            Self::Long => i64::from_le_bytes(eight()) as f32,
            Self::Int => i32::from_le_bytes(four()) as f32,
            Self::Short => f32::from(i16::from_le_bytes(two())),
            Self::Char => f32::from(bytes[0].cast_signed()),
            Self::Byte => f32::from(bytes[0]),
            Self::Bool => f32::from(u8::from(bytes[0] != 0)),
        }
    }
}

impl NumberType {
    /// The type that numpy calls `name`, such as `f4`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let (kind, n_bytes) = name.split_at_checked(1)?;
        let (kind, n_bytes) = (kind.as_bytes()[0], n_bytes.parse().ok()?);
        (matches!(kind, b'f' | b'i' | b'u' | b'b') && matches!(n_bytes, 1 | 2 | 4 | 8)).then_some(Self {
            kind,
            n_bytes,
            is_big_endian: false,
        })
    }

    /// The one number of these bytes, if there are as many as it has.
    pub(crate) fn number(self, bytes: &[u8]) -> Option<super::Value> {
        if bytes.len() != usize::from(self.n_bytes) {
            return None;
        }
        let mut bits = [0u8; 8];
        bits[..bytes.len()].copy_from_slice(bytes);
        if self.is_big_endian {
            bits[..bytes.len()].reverse();
        }
        let unused = 64 - 8 * u32::from(self.n_bytes);
        let unsigned = u64::from_le_bytes(bits);
        let signed = (unsigned << unused).cast_signed() >> unused;
        Some(match (self.kind, self.n_bytes) {
            (b'f', 8) => super::Value::Float(f64::from_bits(unsigned)),
            (b'f', 4) => super::Value::Float(f64::from(f32::from_bits(unsigned as u32))),
            (b'f', 2) => super::Value::Float(f16::from_bits(unsigned as u16).to_f64()),
            (b'b', 1) => super::Value::Bool(unsigned != 0),
            (b'u', _) => super::Value::Int(i64::try_from(unsigned).ok()?),
            (b'i', _) => super::Value::Int(signed),
            _ => return None,
        })
    }
}
