//! Tensors in files, and how a model's rows lie in them.

use super::ImportError;
use super::dtype::Dtype;
use super::error::brief;
use super::files::Named;
use super::source::{Field, Shape, Source, Tensor};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

/// Numbers of a transposed tensor that are held at a time.
const BLOCK: usize = 1 << 20;

/// Where a tensor lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Index of its file.
    pub file: usize,
    pub dtype: Dtype,
    /// The last number of the shape is the one whose elements are neighbours.
    pub shape: Vec<u64>,
    pub offset: u64,
}

/// Files and the tensors in them, by name.
#[derive(Default)]
pub(super) struct Tensors {
    files: Vec<Named>,
    entries: BTreeMap<String, Entry>,
    /// Tensors of types that are no weights here: file and type.
    others: BTreeMap<String, (usize, String)>,
}

impl Tensors {
    /// Adds a file; gives its index.
    pub fn add_file(&mut self, file: Named) -> usize {
        self.files.push(file);
        self.files.len() - 1
    }

    fn file(&self, index: usize) -> &str {
        self.files.get(index).map_or("checkpoint", |f| &f.name)
    }

    /// Adds a tensor; no name may come twice.
    pub fn add(&mut self, name: String, entry: Entry) -> Result<(), ImportError> {
        let file = self.file(entry.file).to_string();
        match self.entries.insert(name.clone(), entry) {
            None => Ok(()),
            Some(_) => Err(ImportError::damaged(&file, format!("tensor {} comes twice", brief(&name)))),
        }
    }

    /// Notes a tensor whose type is not read, so that it can be told if it is needed.
    pub fn add_other(&mut self, name: String, file: usize, kind: &str) {
        self.others.insert(name, (file, kind.to_string()));
    }

    pub fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// A tensor that must be there.
    fn get(&self, name: &str) -> Result<&Entry, ImportError> {
        self.entries.get(name).ok_or_else(|| match self.others.get(name) {
            Some((file, kind)) => {
                let advice = "take the model with F32, F16 or BF16 weights (GGUF: or Q8_0)";
                ImportError::unsupported(self.file(*file), format!("type {kind} of tensor {name}"), advice)
            }
            None => ImportError::MissingTensor { file: self.file(0).to_string(), tensor: name.to_string() },
        })
    }

    fn read(&self, name: &str, entry: &Entry, first: u64, out: &mut [f32]) -> Result<(), ImportError> {
        let broken = || ImportError::damaged(self.file(entry.file), format!("tensor {name} has broken blocks"));
        let start = entry.dtype.bytes(first).ok_or_else(broken)?;
        let length = entry.dtype.bytes(out.len() as u64).ok_or_else(broken)?;
        let mut bytes = vec![0; length as usize];
        let file = self.files.get(entry.file).ok_or_else(broken)?;
        file.read(entry.offset.saturating_add(start), &mut bytes, name)?;
        entry.dtype.decode(&bytes, out);
        Ok(())
    }

    /// A vector of `length` numbers.
    pub fn vector(&self, name: &str, length: usize) -> Result<Vec<f32>, ImportError> {
        let entry = self.get(name)?;
        self.expect(name, entry, &[length as u64])?;
        let mut out = vec![0.0; length];
        self.read(name, entry, 0, &mut out)?;
        Ok(out)
    }

    fn expect(&self, name: &str, entry: &Entry, expected: &[u64]) -> Result<(), ImportError> {
        if entry.shape == expected {
            return Ok(());
        }
        Err(ImportError::TensorShape {
            file: self.file(entry.file).to_string(),
            tensor: name.to_string(),
            found: format!("{:?}", entry.shape),
            expected: format!("{expected:?}"),
        })
    }
}

/// How the rows of a field lie in a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// One after another.
    Rows,
    /// One after another; in each head of this width, the elements that turn together are neighbours.
    Pairs(usize),
    /// The tensor is transposed (GPT-2's Conv1D): a row is a column.
    Columns,
}

/// Where a field of a layer lies.
#[derive(Clone, Debug)]
struct Part {
    name: String,
    entry: Entry,
    order: Order,
    /// Rows, or a vector's elements, of the tensor before this field's.
    before: usize,
}

/// Columns of a transposed tensor, one after another.
#[derive(Default)]
struct Block {
    tensor: Option<Tensor>,
    first: usize,
    values: Vec<f32>,
}

/// A model whose fields are tensors in files.
pub(super) struct Mapped {
    shape: Shape,
    tensors: Tensors,
    parts: BTreeMap<Tensor, Part>,
    block: RefCell<Block>,
}

impl Mapped {
    pub fn new(shape: Shape, tensors: Tensors) -> Self {
        Mapped { shape, tensors, parts: BTreeMap::new(), block: RefCell::default() }
    }

    /// The tensors.
    pub fn tensors(&self) -> &Tensors {
        &self.tensors
    }

    /// Says that a field is a tensor of the field's shape.
    pub fn map(&mut self, field: Field, layer: usize, name: &str, order: Order) -> Result<(), ImportError> {
        let rows = self.shape.size(field).0;
        self.map_part(field, layer, name, order, 0, rows)
    }

    /// Says that a field is some of a tensor's rows, `all` of which there are; of a vector, some of its elements.
    pub fn map_part(
        &mut self,
        field: Field,
        layer: usize,
        name: &str,
        order: Order,
        before: usize,
        all: usize,
    ) -> Result<(), ImportError> {
        let entry = self.tensors.get(name)?.clone();
        let (rows, cols) = self.shape.size(field);
        let (all, cols) = (all as u64, cols as u64);
        let expected = match (field.is_vector(), order) {
            (true, _) => vec![if rows as u64 == all { cols } else { all }],
            (false, Order::Columns) => vec![cols, all],
            (false, _) => vec![all, cols],
        };
        self.tensors.expect(name, &entry, &expected)?;
        self.parts.insert(Tensor { field, layer }, Part { name: name.to_string(), entry, order, before });
        Ok(())
    }

    fn columns(&self, tensor: Tensor, part: &Part, row: usize, out: &mut [f32]) -> Result<(), ImportError> {
        let mut block = self.block.borrow_mut();
        let cols = out.len();
        let held = block.values.len() / cols.max(1);
        if block.tensor != Some(tensor) || !(block.first..block.first + held).contains(&row) {
            let rows = self.shape.size(tensor.field).0;
            let held = (BLOCK / cols.max(1)).max(1).min(rows.saturating_sub(row)).max(1);
            let width = part.entry.shape.last().copied().unwrap_or(0);
            *block = Block { tensor: None, first: row, values: vec![0.0; held * cols] };
            let mut line = vec![0.0; held];
            for col in 0..cols {
                let at = col as u64 * width + (part.before + row) as u64;
                self.tensors.read(&part.name, &part.entry, at, &mut line)?;
                let target = block.values.iter_mut().skip(col).step_by(cols);
                target.zip(&line).for_each(|(t, v)| *t = *v);
            }
            block.tensor = Some(tensor);
        }
        let start = (row - block.first) * cols;
        out.copy_from_slice(block.values.get(start..start + cols).unwrap_or(&vec![0.0; cols]));
        Ok(())
    }
}

impl Source for Mapped {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn row(&self, tensor: Tensor, row: usize, out: &mut [f32]) -> Result<(), ImportError> {
        let missing = || ImportError::MissingTensor {
            file: self.tensors.file(0).to_string(),
            tensor: format!("({:?} of layer {})", tensor.field, tensor.layer),
        };
        let part = self.parts.get(&tensor).ok_or_else(missing)?;
        let cols = out.len();
        match (tensor.field.is_vector(), part.order) {
            (true, Order::Pairs(width)) => {
                let mut all = vec![0.0; cols];
                self.tensors.read(&part.name, &part.entry, 0, &mut all)?;
                for (i, o) in out.iter_mut().enumerate() {
                    *o = all.get(paired_by_halves(i, width)).copied().unwrap_or(0.0);
                }
                Ok(())
            }
            (true, _) => self.tensors.read(&part.name, &part.entry, part.before as u64, out),
            (false, Order::Columns) => self.columns(tensor, part, row, out),
            (false, order) => {
                let row = if let Order::Pairs(width) = order { paired_by_halves(row, width) } else { row };
                self.tensors.read(&part.name, &part.entry, (part.before + row) as u64 * cols as u64, out)
            }
        }
    }
}

/// llama2.c and GGUF turn neighbours (2i, 2i + 1); we turn (i, i + half): the file's row for our row of a head of
/// `width`.
pub(super) fn paired_by_halves(row: usize, width: usize) -> usize {
    let (head, i) = (row / width, row % width);
    let half = width / 2;
    head * width + if i < half { 2 * i } else { 2 * (i - half) + 1 }
}
