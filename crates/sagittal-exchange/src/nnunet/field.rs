//! Fields of nnU-Net's JSON files, with errors that name them.

use crate::ExchangeError;
use serde_json::Value;

const CURE: &str = "copy the file again from the trained model; if it was edited, undo that";

/// A JSON value with its path and file, so that what is wrong can be named.
#[derive(Clone, Debug)]
pub(super) struct Field<'a> {
    pub(super) value: &'a Value,
    pub(super) path: String,
    pub(super) place: &'a str,
}

impl<'a> Field<'a> {
    pub(super) fn root(value: &'a Value, place: &'a str) -> Self {
        Self { value, path: String::new(), place }
    }

    /// The entry `key`, if it is there and not null.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Some(Self { value, path, place: self.place })
    }

    /// The entry `key`, which must be there.
    pub(super) fn need(&self, key: &str) -> Result<Self, ExchangeError> {
        self.get(key).ok_or_else(|| {
            let of = if self.path.is_empty() { String::new() } else { format!(" in {}", self.path) };
            ExchangeError::malformed(self.place, format!("{key} is missing{of}"), CURE)
        })
    }

    /// An error about this field.
    pub(super) fn wrong(&self, expected: &str) -> ExchangeError {
        let found: String = self.value.to_string().chars().take(200).collect();
        ExchangeError::malformed(self.place, format!("{} is {found}, expected {expected}", self.path), CURE)
    }

    /// An error about this field's value, which may be right but is not known here.
    pub(super) fn unsupported(&self, supported: &'static str) -> ExchangeError {
        let found: String = self.value.to_string().chars().take(200).collect();
        ExchangeError::Unsupported { place: self.place.to_owned(), field: self.path.clone(), found, supported }
    }

    pub(super) fn text(&self) -> Result<&'a str, ExchangeError> {
        self.value.as_str().ok_or_else(|| self.wrong("a text"))
    }

    pub(super) fn flag(&self) -> Result<bool, ExchangeError> {
        self.value.as_bool().ok_or_else(|| self.wrong("true or false"))
    }

    pub(super) fn number(&self) -> Result<f64, ExchangeError> {
        self.value.as_f64().filter(|number| number.is_finite()).ok_or_else(|| self.wrong("a number"))
    }

    /// A count; nnU-Net writes some of them as 50.0.
    pub(super) fn count(&self) -> Result<usize, ExchangeError> {
        let number = self.number()?;
        if number >= 0.0 && number <= f64::from(u32::MAX) { Ok(number.round_ties_even() as usize) } else { Err(self.wrong("a count")) }
    }

    pub(super) fn elements(&self) -> Result<Vec<Self>, ExchangeError> {
        let elements = self.value.as_array().ok_or_else(|| self.wrong("a list"))?;
        let element = |(i, value)| Self { value, path: format!("{}[{i}]", self.path), place: self.place };
        Ok(elements.iter().enumerate().map(element).collect())
    }

    pub(super) fn entries(&self) -> Result<Vec<(&'a str, Self)>, ExchangeError> {
        let entries = self.value.as_object().ok_or_else(|| self.wrong("an object"))?;
        let entry = |(key, value): (&'a String, _)| (key.as_str(), Self { value, path: format!("{}.{key}", self.path), place: self.place });
        Ok(entries.iter().map(entry).collect())
    }

    pub(super) fn numbers(&self) -> Result<Vec<f64>, ExchangeError> {
        self.elements()?.iter().map(Self::number).collect()
    }

    pub(super) fn counts(&self) -> Result<Vec<usize>, ExchangeError> {
        self.elements()?.iter().map(Self::count).collect()
    }

    /// One count for each of `n` stages: a list of them, or one for all.
    pub(super) fn counts_of_stages(&self, n: usize) -> Result<Vec<usize>, ExchangeError> {
        let counts = if self.value.is_number() { vec![self.count()?; n] } else { self.counts()? };
        if counts.len() == n { Ok(counts) } else { Err(self.wrong(&format!("{n} counts, one per stage"))) }
    }

    /// Sizes along the spatial axes, `Z Y X`; two of them, or one number for all axes, become three with `flat` along Z of a 2-D network.
    pub(super) fn axes(&self, rank: usize) -> Result<[usize; 3], ExchangeError> {
        let sizes = if self.value.is_number() { vec![self.count()?; rank] } else { self.counts()? };
        match (rank, &sizes[..]) {
            (2, [y, x]) => Ok([1, *y, *x]),
            (3, [z, y, x]) => Ok([*z, *y, *x]),
            _ => Err(self.wrong(&format!("{rank} sizes"))),
        }
    }
}
