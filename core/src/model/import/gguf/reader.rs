//! The head of a GGUF file: metadata and where the tensors lie. A stranger's file: every count is checked against
//! the bytes that are there before anything is allocated by it.

use crate::model::import::ImportError;
use crate::model::import::dtype::Dtype;
use crate::model::import::error::brief;
use crate::model::import::files::Named;
use crate::model::import::tensors::{Entry, Tensors};
use std::collections::BTreeMap;
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

/// Metadata and descriptions of tensors together are not longer: a vocabulary of 250,000 tokens takes 10 MB.
const MAX_HEAD: u64 = 128 << 20;
const MAX_ENTRIES: u64 = 1 << 16;
const MAX_ITEMS: u64 = 1 << 21;
const MAX_TEXT: u64 = 1 << 20;
const PIECE: usize = 1 << 16;

/// A metadata value. Integers of all widths, and floats of both, are one kind.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Integer(i128),
    Real(f64),
    Flag(bool),
    Text(Vec<u8>),
    Integers(Vec<i64>),
    Reals(Vec<f32>),
    Texts(Vec<Vec<u8>>),
}

impl Value {
    /// What an error shows of it.
    pub fn shown(&self) -> String {
        match self {
            Value::Integer(v) => format!("{v}"),
            Value::Real(v) => format!("{v}"),
            Value::Flag(v) => format!("{v}"),
            Value::Text(v) => brief(&String::from_utf8_lossy(v)),
            Value::Integers(v) => format!("a list of {} integers", v.len()),
            Value::Reals(v) => format!("a list of {} floats", v.len()),
            Value::Texts(v) => format!("a list of {} texts", v.len()),
        }
    }
}

/// Metadata by name, and the tensors.
pub(super) struct Contents {
    pub metadata: BTreeMap<String, Value>,
    pub tensors: Tensors,
}

struct Cursor<'a> {
    file: &'a Named,
    at: u64,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were read.
    used: usize,
}

impl Cursor<'_> {
    fn take(&mut self, n: usize, field: &str) -> Result<&[u8], ImportError> {
        if self.at + n as u64 > MAX_HEAD {
            return Err(damaged(self.file, format!("metadata of over {MAX_HEAD} bytes")));
        }
        if self.buffer.len() - self.used < n {
            let left = self.file.bytes.length().saturating_sub(self.at);
            let length = left.min(n.max(PIECE) as u64) as usize;
            if length < n {
                let (needed, found) = (self.at + n as u64, self.file.bytes.length());
                let (file, field) = (self.file.name.clone(), field.into());
                return Err(ImportError::Truncated { file, field, needed, found });
            }
            self.buffer.resize(length, 0);
            self.file.read(self.at, &mut self.buffer, field)?;
            self.used = 0;
        }
        let start = self.used;
        self.used += n;
        self.at += n as u64;
        Ok(self.buffer.get(start..start + n).unwrap_or(&[]))
    }

    fn array<const N: usize>(&mut self, field: &str) -> Result<[u8; N], ImportError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N, field)?);
        Ok(out)
    }

    fn u32(&mut self, field: &str) -> Result<u32, ImportError> {
        self.array(field).map(u32::from_le_bytes)
    }

    fn count(&mut self, field: &str, most: u64) -> Result<u64, ImportError> {
        let n = self.array(field).map(u64::from_le_bytes)?;
        if n <= most {
            return Ok(n);
        }
        Err(ImportError::Field {
            file: self.file.name.clone(),
            field: field.into(),
            found: format!("{n}"),
            expected: format!("at most {most}"),
            advice: "the file is damaged, fetch it again",
        })
    }

    fn text(&mut self, field: &str) -> Result<Vec<u8>, ImportError> {
        let length = self.count(&format!("length of {field}"), MAX_TEXT)?;
        self.take(length as usize, field).map(<[u8]>::to_vec)
    }

    fn name(&mut self, field: &str) -> Result<String, ImportError> {
        let bytes = self.text(field)?;
        String::from_utf8(bytes).map_err(|_| damaged(self.file, format!("{field} is not UTF-8")))
    }

    fn value(&mut self, name: &str) -> Result<Value, ImportError> {
        match self.u32(name)? {
            9 => {
                let kind = self.u32(name)?;
                let items = self.count(&format!("length of {name}"), MAX_ITEMS)?;
                self.list(name, kind, items)
            }
            kind => self.scalar(name, kind),
        }
    }

    fn scalar(&mut self, name: &str, kind: u32) -> Result<Value, ImportError> {
        Ok(match kind {
            0 => Value::Integer(self.array::<1>(name)?[0] as i128),
            1 => Value::Integer(i8::from_le_bytes(self.array(name)?) as i128),
            2 => Value::Integer(u16::from_le_bytes(self.array(name)?) as i128),
            3 => Value::Integer(i16::from_le_bytes(self.array(name)?) as i128),
            4 => Value::Integer(u32::from_le_bytes(self.array(name)?) as i128),
            5 => Value::Integer(i32::from_le_bytes(self.array(name)?) as i128),
            6 => Value::Real(decimal(f32::from_le_bytes(self.array(name)?))),
            7 => Value::Flag(self.array::<1>(name)?[0] != 0),
            8 => Value::Text(self.text(name)?),
            10 => Value::Integer(u64::from_le_bytes(self.array(name)?) as i128),
            11 => Value::Integer(i64::from_le_bytes(self.array(name)?) as i128),
            12 => Value::Real(f64::from_le_bytes(self.array(name)?)),
            _ => return Err(damaged(self.file, format!("{name} has type {kind}, 0 to 12 expected"))),
        })
    }

    /// A list: memory follows the items that were read.
    fn list(&mut self, name: &str, kind: u32, items: u64) -> Result<Value, ImportError> {
        if kind == 8 {
            let mut all = Vec::new();
            for _ in 0..items {
                all.push(self.text(name)?);
            }
            return Ok(Value::Texts(all));
        }
        if kind == 9 {
            return Err(damaged(self.file, format!("{name} is a list of lists")));
        }
        let (mut integers, mut reals) = (Vec::new(), Vec::new());
        for _ in 0..items {
            match self.scalar(name, kind)? {
                Value::Integer(v) => integers.push(v as i64),
                Value::Flag(v) => integers.push(v as i64),
                Value::Real(v) => reals.push(v as f32),
                _ => {}
            }
        }
        Ok(if matches!(kind, 6 | 12) { Value::Reals(reals) } else { Value::Integers(integers) })
    }
}

/// The decimal that a float was written for: 0.00001 as other formats have it, not the nearest f32.
fn decimal(v: f32) -> f64 {
    format!("{v}").parse().unwrap_or(v as f64)
}

fn damaged(file: &Named, reason: String) -> ImportError {
    ImportError::damaged(&file.name, reason)
}

/// A tensor as described, before its place is known.
struct Description {
    name: String,
    shape: Vec<u64>,
    kind: u32,
    offset: u64,
}

/// Reads metadata and the tensors' places.
pub(super) fn read(file: Named) -> Result<Contents, ImportError> {
    let mut c = Cursor { file: &file, at: 0, buffer: Vec::new(), used: 0 };
    if &c.array::<4>("its magic bytes")? != b"GGUF" {
        return Err(ImportError::unsupported(&file.name, "another format than GGUF", "name a GGUF file"));
    }
    match c.u32("its version")? {
        2 | 3 => {}
        1 => return Err(ImportError::unsupported(&file.name, "GGUF version 1", "convert the model again")),
        v if v.swap_bytes() <= 3 => {
            return Err(ImportError::unsupported(&file.name, "big-endian GGUF", "take the little-endian file"));
        }
        v => return Err(ImportError::unsupported(&file.name, format!("GGUF version {v}"), "versions 2 and 3 are")),
    }
    let tensors = c.count("number of tensors", MAX_ENTRIES)?;
    let entries = c.count("number of metadata entries", MAX_ENTRIES)?;
    let mut metadata = BTreeMap::new();
    for _ in 0..entries {
        let name = c.name("a metadata entry's name")?;
        let value = c.value(&brief(&name))?;
        if metadata.insert(name.clone(), value).is_some() {
            return Err(damaged(&file, format!("metadata entry {} comes twice", brief(&name))));
        }
    }
    let mut all = Vec::new();
    for _ in 0..tensors {
        let name = c.name("a tensor's name")?;
        let dimensions = c.u32("a tensor's number of dimensions")?;
        if dimensions > 4 {
            return Err(damaged(&file, format!("tensor {} has {dimensions} dimensions", brief(&name))));
        }
        let mut shape = vec![0; dimensions as usize];
        for size in shape.iter_mut().rev() {
            *size = u64::from_le_bytes(c.array("a tensor's shape")?);
        }
        let kind = c.u32("a tensor's type")?;
        let offset = u64::from_le_bytes(c.array("a tensor's offset")?);
        all.push(Description { name, shape, kind, offset });
    }
    let alignment = match metadata.get("general.alignment") {
        None => 32,
        Some(Value::Integer(v @ 1..=0x10_0000)) => *v as u64,
        Some(_) => return Err(damaged(&file, "general.alignment is not from 1 to 2^20".into())),
    };
    let start = c.at.next_multiple_of(alignment);
    Ok(Contents { metadata, tensors: place(file, all, start)? })
}

/// Checks that tensors lie in the file and do not overlap.
fn place(file: Named, mut all: Vec<Description>, start: u64) -> Result<Tensors, ImportError> {
    all.sort_by_key(|t| t.offset);
    let (name, length) = (file.name.clone(), file.bytes.length());
    let mut tensors = Tensors::default();
    let index = tensors.add_file(file);
    let (mut end, mut last) = (0, String::new());
    for t in all {
        let tensor = brief(&t.name);
        if t.offset < end {
            return Err(ImportError::damaged(&name, format!("tensor {tensor} overlaps tensor {last}")));
        }
        let Some(dtype) = dtype(t.kind) else {
            tensors.add_other(t.name, index, kind_name(t.kind));
            continue;
        };
        let numbers = t.shape.iter().try_fold(1u64, |n, size| n.checked_mul(*size));
        let bytes = numbers.filter(|_| dtype.bytes(t.shape.last().copied().unwrap_or(1)).is_some());
        let Some(bytes) = bytes.and_then(|n| dtype.bytes(n)) else {
            let reason = format!("tensor {tensor} has shape {:?}, which {} cannot have", t.shape, kind_name(t.kind));
            return Err(ImportError::damaged(&name, reason));
        };
        end = t.offset.saturating_add(bytes);
        let needed = start.saturating_add(end);
        if needed > length {
            return Err(ImportError::Truncated {
                file: name,
                field: format!("tensor {tensor}"),
                needed,
                found: length,
            });
        }
        last = tensor;
        tensors.add(t.name, Entry { file: index, dtype, shape: t.shape, offset: start + t.offset })?;
    }
    Ok(tensors)
}

fn dtype(kind: u32) -> Option<Dtype> {
    match kind {
        0 => Some(Dtype::F32),
        1 => Some(Dtype::F16),
        8 => Some(Dtype::Q8_0),
        30 => Some(Dtype::Bf16),
        _ => None,
    }
}

/// GGML's name of a type.
fn kind_name(kind: u32) -> &'static str {
    let names = [
        "F32", "F16", "Q4_0", "Q4_1", "Q4_2", "Q4_3", "Q5_0", "Q5_1", "Q8_0", "Q8_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K",
        "Q6_K", "Q8_K", "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS", "I8", "I16",
        "I32", "I64", "F64", "IQ1_M", "BF16",
    ];
    names.get(kind as usize).copied().unwrap_or("unknown to this program")
}
