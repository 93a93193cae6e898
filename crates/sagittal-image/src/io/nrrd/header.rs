//! The lines of an NRRD header, as fields.

use std::collections::BTreeMap;

use crate::io::{
    fault::{COPY_AGAIN, Fault},
    open::excerpt,
    samples::{ByteOrder, SampleType},
    text_header::number,
};

/// How voxels are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Raw,
    Gzip,
    Text,
}

/// A header's fields by name.
pub(super) struct Header(BTreeMap<String, String>);

impl Header {
    /// Takes lines apart; the first one must be NRRD's magic word.
    pub(super) fn parse(lines: &[String]) -> Result<Self, Fault> {
        let magic = lines.first().map_or("", String::as_str);
        if !magic.starts_with("NRRD000") {
            let finding = format!("expected an NRRD header, which begins with `NRRD000`, found {}", excerpt(magic.as_bytes()));
            return Err(Fault::malformed(finding, "copy or download the file again, or give it the extension of what it is"));
        }
        let mut fields = BTreeMap::new();
        for line in lines[1..].iter().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            // `key:=value` is free text of the user.
            if let Some((name, value)) = line.split_once(':').filter(|(_, value)| !value.starts_with('=')) {
                let name = name.trim().to_ascii_lowercase();
                let name = match name.as_str() {
                    "datafile" => "data file".into(),
                    "lineskip" => "line skip".into(),
                    "byteskip" => "byte skip".into(),
                    _ => name,
                };
                fields.insert(name, value.trim().to_owned());
            }
        }
        Ok(Self(fields))
    }

    /// A field's text, if the header has it.
    pub(super) fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    /// A field's text.
    pub(super) fn require(&self, field: &str) -> Result<&str, Fault> {
        self.get(field).ok_or_else(|| Fault::malformed(format!("expected `{field}` in the header, found none"), COPY_AGAIN))
    }

    /// Voxels along each axis, fastest first.
    pub(super) fn sizes(&self) -> Result<Vec<i64>, Fault> {
        let dimension: usize = number("dimension", self.require("dimension")?)?;
        if !(2..=16).contains(&dimension) {
            return Err(Fault::unsupported(
                format!("expected 2 to 4 axes, found dimension {dimension}"),
                "store one image of 2 or 3 axes a file",
            ));
        }
        let sizes = self.require("sizes")?.split_whitespace().map(|size| number("sizes", size)).collect::<Result<Vec<i64>, Fault>>()?;
        if sizes.len() != dimension {
            let finding = format!("expected {dimension} sizes, as its dimension says, found {}", sizes.len());
            return Err(Fault::malformed(finding, COPY_AGAIN));
        }
        Ok(sizes)
    }

    pub(super) fn sample(&self) -> Result<SampleType, Fault> {
        let name = self.require("type")?.to_ascii_lowercase();
        Ok(match name.as_str() {
            "uchar" | "unsigned char" | "uint8" | "uint8_t" => SampleType::U8,
            "char" | "signed char" | "int8" | "int8_t" => SampleType::I8,
            "short" | "short int" | "signed short" | "signed short int" | "int16" | "int16_t" => SampleType::I16,
            "ushort" | "unsigned short" | "unsigned short int" | "uint16" | "uint16_t" => SampleType::U16,
            "int" | "signed int" | "int32" | "int32_t" => SampleType::I32,
            "uint" | "unsigned int" | "uint32" | "uint32_t" => SampleType::U32,
            "longlong" | "long long" | "long long int" | "signed long long" | "signed long long int" | "int64" | "int64_t" => {
                SampleType::I64
            }
            "ulonglong" | "unsigned long long" | "unsigned long long int" | "uint64" | "uint64_t" => SampleType::U64,
            "float" => SampleType::F32,
            "double" => SampleType::F64,
            other => {
                let finding = format!("expected an integer or float type, found `{}`", other.escape_debug());
                return Err(Fault::unsupported(finding, "store the image as int16 or float"));
            }
        })
    }

    pub(super) fn byte_order(&self, sample: SampleType, encoding: Encoding) -> Result<ByteOrder, Fault> {
        match self.get("endian").map(str::to_ascii_lowercase).as_deref() {
            Some("little") => Ok(ByteOrder::Little),
            Some("big") => Ok(ByteOrder::Big),
            None if sample.size() == 1 || encoding == Encoding::Text => Ok(ByteOrder::Little),
            other => {
                let finding = format!("expected `endian: little` or `endian: big` in the header, found {}", other.unwrap_or("none"));
                Err(Fault::malformed(finding, "add the line to the header"))
            }
        }
    }

    pub(super) fn encoding(&self) -> Result<Encoding, Fault> {
        match self.require("encoding")?.to_ascii_lowercase().as_str() {
            "raw" => Ok(Encoding::Raw),
            "gzip" | "gz" => Ok(Encoding::Gzip),
            "ascii" | "text" | "txt" => Ok(Encoding::Text),
            other => {
                let finding = format!("expected the encoding raw, gzip or text, found `{}`", other.escape_debug());
                Err(Fault::unsupported(finding, "save the file again with gzip"))
            }
        }
    }

    /// The entries of `space directions`: `none` or a vector.
    pub(super) fn space_directions(&self) -> Option<Vec<&str>> {
        let mut rest = self.get("space directions")?.trim_start();
        let mut entries = Vec::new();
        while !rest.is_empty() {
            let end = match rest.strip_prefix('(') {
                Some(_) => rest.find(')').map_or(rest.len(), |at| at + 1),
                None => rest.find(|c: char| c.is_whitespace() || c == '(').unwrap_or(rest.len()),
            };
            entries.push(&rest[..end]);
            rest = rest[end..].trim_start();
        }
        Some(entries)
    }
}
