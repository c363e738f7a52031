//! Random models as the files that others make: Hugging Face directories, GGUF files, llama2.c checkpoints. What an
//! importer reads from them must be what [`random_source`](camelid_core::model::import::random_source) says.

mod gguf;
mod huggingface;
mod llama2c;

pub use gguf::{gguf, gguf_of};
pub use huggingface::{huggingface, huggingface_of, safetensors};
pub use llama2c::{llama2c, llama2c_of};

use camelid_core::model::import::{Field, RandomShape, Source, Tensor};
use half::{bf16, f16};

/// A family of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Llama, with grouped-query attention and an untied head.
    Llama,
    /// Qwen2, with biases and a tied head.
    Qwen2,
    /// GPT-2.
    Gpt2,
}

/// How weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Dtype {
    F32,
    F16,
    Bf16,
    Q8_0,
}

/// All families.
pub const FAMILIES: [Family; 3] = [Family::Llama, Family::Qwen2, Family::Gpt2];

impl Family {
    /// The shape of the model that is written: every width is a multiple of a Q8_0 block.
    pub fn shape(self) -> RandomShape {
        let shape = match self {
            Family::Llama => RandomShape::llama(),
            Family::Qwen2 => RandomShape::qwen2(),
            Family::Gpt2 => RandomShape::gpt2(),
        };
        RandomShape { hidden: 64, ..shape }
    }
}

impl Dtype {
    /// A row's bytes.
    pub fn encode(self, row: &[f32]) -> Vec<u8> {
        match self {
            Dtype::F32 => row.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Dtype::F16 => row.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
            Dtype::Bf16 => row.iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()).collect(),
            Dtype::Q8_0 => row
                .chunks(32)
                .flat_map(|block| {
                    let scale = f16::from_f32(block.iter().fold(0.0f32, |m, v| m.max(v.abs())) / 127.0);
                    let weights =
                        block.iter().map(move |v| (v / scale.to_f32()).round().clamp(-127.0, 127.0) as i8 as u8);
                    scale.to_le_bytes().into_iter().chain(weights)
                })
                .collect(),
        }
    }

    /// A row as it comes back from its bytes.
    pub fn rounded(self, row: &[f32]) -> Vec<f32> {
        let bytes = self.encode(row);
        match self {
            Dtype::F32 => row.to_vec(),
            Dtype::F16 => bytes.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
            Dtype::Bf16 => bytes.as_chunks().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
            Dtype::Q8_0 => bytes
                .as_chunks::<34>()
                .0
                .iter()
                .flat_map(|[s0, s1, weights @ ..]| {
                    let scale = f16::from_le_bytes([*s0, *s1]).to_f32();
                    weights.map(|w| scale * (w as i8) as f32)
                })
                .collect(),
        }
    }
}

/// All rows of a field.
fn rows(source: &dyn Source, field: Field, layer: usize) -> Vec<Vec<f32>> {
    let (rows, cols) = source.shape().size(field);
    let row = |row| {
        let mut out = vec![0.0; cols];
        source.row(Tensor { field, layer }, row, &mut out).expect("a random model has every row");
        out
    };
    (0..rows).map(row).collect()
}

/// A tensor to be written: name, shape (the last number's elements are neighbours), rows.
struct Written {
    name: String,
    shape: Vec<u64>,
    rows: Vec<Vec<f32>>,
}

impl Written {
    fn matrix(name: String, rows: Vec<Vec<f32>>) -> Self {
        let shape = vec![rows.len() as u64, rows.first().map_or(0, Vec::len) as u64];
        Written { name, shape, rows }
    }

    fn vector(name: String, values: Vec<f32>) -> Self {
        Written { name, shape: vec![values.len() as u64], rows: vec![values] }
    }

    fn bytes(&self, dtype: Dtype) -> Vec<u8> {
        self.rows.iter().flat_map(|row| dtype.encode(row)).collect()
    }
}

/// Rows in the order in which neighbours turn together, from that in which halves do.
fn neighbours(rows: &[Vec<f32>], width: usize) -> Vec<Vec<f32>> {
    let half = width / 2;
    let ours = |i: usize| i / width * width + (i % width) / 2 + if i.is_multiple_of(2) { 0 } else { half };
    (0..rows.len()).map(|i| rows[ours(i)].clone()).collect()
}

fn transposed(rows: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let cols = rows.first().map_or(0, Vec::len);
    (0..cols).map(|c| rows.iter().map(|row| row[c]).collect()).collect()
}
