//! The header of a safetensors file: a length, then JSON that says where each tensor lies. The file is a stranger's:
//! nothing is allocated by its numbers, tensors neither overlap nor leave gaps nor reach out of the file.

use super::ImportError;
use super::dtype::Dtype;
use super::error::brief;
use super::files::Named;
use super::tensors::{Entry, Tensors};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::fmt;
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

/// A header of tens of thousands of tensors is not longer.
const MAX_HEADER: u64 = 16 << 20;
const MAX_TENSORS: usize = 1 << 16;
const MAX_DIMENSIONS: usize = 8;

#[derive(Debug, Deserialize)]
struct Description {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// Reads a file's header and adds its tensors.
pub(super) fn add(tensors: &mut Tensors, file: Named) -> Result<Vec<String>, ImportError> {
    let name = file.name.clone();
    let mut length = [0; 8];
    file.read(0, &mut length, "the header's length")?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER {
        return Err(ImportError::Field {
            file: name,
            field: "header length".into(),
            found: format!("{length}"),
            expected: format!("at most {MAX_HEADER}"),
            advice: "is this a safetensors file?",
        });
    }
    if 8 + length > file.bytes.length() {
        let (field, found) = ("its header".into(), file.bytes.length());
        return Err(ImportError::Truncated { file: name, field, needed: 8 + length, found });
    }
    let mut header = vec![0; length as usize];
    file.read(8, &mut header, "its header")?;
    let data = file.bytes.length() - 8 - length;
    let mut json = serde_json::Deserializer::from_slice(&header);
    let all = Header.deserialize(&mut json).and_then(|all| json.end().map(|()| all));
    let mut all = all.map_err(|e| ImportError::damaged(&name, format!("its header: {}", brief(&format!("{e}")))))?;
    drop(header);
    all.sort_by_key(|(_, d)| d.data_offsets);
    check_places(&name, &all, data)?;
    let index = tensors.add_file(file);
    let mut names = Vec::new();
    for (tensor, d) in all {
        let Some(dtype) = dtype(&d.dtype) else {
            tensors.add_other(tensor, index, &brief(&d.dtype));
            continue;
        };
        let numbers = d.shape.iter().try_fold(1u64, |n, s| n.checked_mul(*s));
        let (start, end) = d.data_offsets;
        if numbers.and_then(|n| dtype.bytes(n)) != Some(end - start) {
            let (shape, bytes) = (&d.shape, end - start);
            let reason =
                format!("tensor {}: {} with shape {shape:?} does not take {bytes} bytes", brief(&tensor), d.dtype);
            return Err(ImportError::damaged(&name, reason));
        }
        names.push(tensor.clone());
        tensors.add(tensor, Entry { file: index, dtype, shape: d.shape, offset: 8 + length + start })?;
    }
    Ok(names)
}

fn dtype(name: &str) -> Option<Dtype> {
    match name {
        "F32" => Some(Dtype::F32),
        "F16" => Some(Dtype::F16),
        "BF16" => Some(Dtype::Bf16),
        _ => None,
    }
}

/// The tensors, by their place, fill the data one after another.
fn check_places(file: &str, all: &[(String, Description)], data: u64) -> Result<(), ImportError> {
    let mut end = 0;
    for (tensor, d) in all {
        let (tensor, (from, to)) = (brief(tensor), d.data_offsets);
        if d.shape.len() > MAX_DIMENSIONS {
            let reason = format!("tensor {tensor} has {} dimensions, at most {MAX_DIMENSIONS} expected", d.shape.len());
            return Err(ImportError::damaged(file, reason));
        }
        if from != end || to < from {
            let what = if from < end { "overlaps another" } else { "leaves a gap, or ends before it starts" };
            let reason = format!("tensor {tensor} at {from} to {to} {what}: expected to start at {end}");
            return Err(ImportError::damaged(file, reason));
        }
        end = to;
    }
    let (needed, found) = (end, data);
    if needed > found {
        return Err(ImportError::Truncated { file: file.into(), field: "its tensors' data".into(), needed, found });
    }
    if needed < found {
        return Err(ImportError::TooLong { file: file.into(), expected: needed, found });
    }
    Ok(())
}

/// The header's object: refuses a name that comes twice, which a map would take.
struct Header;

impl<'de> DeserializeSeed<'de> for Header {
    type Value = Vec<(String, Description)>;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Header {
    type Value = Vec<(String, Description)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        use serde::de::Error;
        let mut all = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !seen.insert(name.clone()) {
                return Err(A::Error::custom(format!("tensor {} comes twice", brief(&name))));
            }
            if seen.len() > MAX_TENSORS {
                return Err(A::Error::custom(format!("more than {MAX_TENSORS} tensors")));
            }
            if name == "__metadata__" {
                map.next_value::<IgnoredAny>()?;
            } else {
                all.push((name, map.next_value()?));
            }
        }
        Ok(all)
    }
}
