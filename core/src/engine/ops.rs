//! The kernels as burn operations: a backend extension of burn's tensors. What an operation writes in place is among
//! its arguments; nothing is copied.

use super::kernels::attention::{Heads, HeadsLaunch, LANES as ATTENTION_LANES, attend};
use super::kernels::copy::copy;
use super::kernels::finish::{Place, PlaceLaunch};
use super::kernels::linear::{LANES as LINEAR_LANES, ROWS, TILE_ROWS, TILE_TOKENS, by_row, by_tile};
use super::kernels::norm::{LANES as NORM_LANES, NormCall, normalise};
use burn::backend::tensor::IntTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::{DType, Int, Shape, Tensor};
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::{CubeBackend, tensor::CubeTensor};
use cubecl::prelude::*;

/// From this many tokens on, a tile of weights is used for several tokens.
const TILE_FROM: u32 = 4;

/// Workgroups in a row of the grid: WebGPU allows 65,535.
const GRID: u32 = 32_768;

/// The operations of a pass.
// burn's macro takes tensors as single arguments.
#[allow(clippy::too_many_arguments)]
#[backend_extension(Cube)]
pub trait Kernels: Backend {
    /// Norms: gives the normalised tokens, writes their masks.
    fn norm(
        x: IntTensor<Self>,
        tables: IntTensor<Self>,
        about: IntTensor<Self>,
        masks: IntTensor<Self>,
        call: NormCall,
    ) -> IntTensor<Self>;

    /// A part of a linear layer: writes to `out`, and to the cache or the masks as the kind says; gives `out`.
    fn linear(
        weights: IntTensor<Self>,
        tables: IntTensor<Self>,
        x: IntTensor<Self>,
        about: IntTensor<Self>,
        masks: IntTensor<Self>,
        out: IntTensor<Self>,
        cache: IntTensor<Self>,
        place: Place,
    ) -> IntTensor<Self>;

    /// Attention: gives the heads' outputs, writes their masks.
    fn attention(
        queries: IntTensor<Self>,
        cache: IntTensor<Self>,
        tables: IntTensor<Self>,
        about: IntTensor<Self>,
        masks: IntTensor<Self>,
        tokens: u32,
        heads: Heads,
    ) -> IntTensor<Self>;

    /// A tensor of `words` with what `like` holds at its start.
    fn grown(like: IntTensor<Self>, words: usize) -> IntTensor<Self>;

    /// A tensor of `words`, with anything in it.
    fn fresh(like: IntTensor<Self>, words: usize) -> IntTensor<Self>;
}

fn empty(like: &CubeTensor, words: usize) -> CubeTensor {
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), Shape::from([words]), DType::I32)
}

fn buffer(tensor: &CubeTensor) -> BufferArg {
    tensor.clone().into_buffer_arg()
}

impl Place {
    fn launch(self) -> PlaceLaunch {
        let p = self;
        PlaceLaunch::new(
            p.kind, p.rows, p.words, p.cols, p.tokens, p.scales, p.fraction, p.mask_in, p.mask_out, p.width, p.first,
            p.table, p.heads, p.kv_heads, p.half, p.turned,
        )
    }
}

impl Kernels for CubeBackend {
    fn norm(x: CubeTensor, tables: CubeTensor, about: CubeTensor, masks: CubeTensor, call: NormCall) -> CubeTensor {
        let out = empty(&x, (call.tokens * call.dim) as usize);
        normalise::launch(
            &x.client,
            CubeCount::Static(call.tokens, 1, 1),
            CubeDim::new_1d(NORM_LANES),
            buffer(&x),
            buffer(&tables),
            buffer(&about),
            buffer(&out),
            buffer(&masks),
            call.dim,
            call.gain,
            call.bias,
            u32::from(call.centre),
            (call.epsilon >> 32) as u32,
            call.epsilon as u32,
            call.mask,
            call.rows.unwrap_or(u32::MAX),
        );
        out
    }

    fn linear(
        weights: CubeTensor,
        tables: CubeTensor,
        x: CubeTensor,
        about: CubeTensor,
        masks: CubeTensor,
        out: CubeTensor,
        cache: CubeTensor,
        place: Place,
    ) -> CubeTensor {
        let tile = place.tokens >= TILE_FROM;
        let (rows, tokens) = if tile { (TILE_ROWS, TILE_TOKENS) } else { (ROWS, 1) };
        let groups = place.rows.div_ceil(rows);
        let across = groups.min(GRID);
        let count = CubeCount::Static(across, groups.div_ceil(across), place.tokens.div_ceil(tokens));
        let dim = CubeDim::new_1d(LINEAR_LANES);
        let launch = if tile { by_tile::launch } else { by_row::launch };
        launch(
            &x.client,
            count,
            dim,
            buffer(&weights),
            buffer(&tables),
            buffer(&x),
            buffer(&about),
            buffer(&masks),
            buffer(&out),
            buffer(&cache),
            place.launch(),
        );
        out
    }

    fn attention(
        queries: CubeTensor,
        cache: CubeTensor,
        tables: CubeTensor,
        about: CubeTensor,
        masks: CubeTensor,
        tokens: u32,
        h: Heads,
    ) -> CubeTensor {
        let out = empty(&queries, (tokens * h.heads * h.half * 2) as usize);
        attend::launch(
            &queries.client,
            CubeCount::Static(h.heads, tokens, 1),
            CubeDim::new_1d(ATTENTION_LANES),
            buffer(&queries),
            buffer(&cache),
            buffer(&tables),
            buffer(&about),
            buffer(&out),
            buffer(&masks),
            HeadsLaunch::new(h.heads, h.kv_heads, h.half, h.fractions, h.fraction, h.mask, h.last),
        );
        out
    }

    fn grown(like: CubeTensor, words: usize) -> CubeTensor {
        let out = empty(&like, words);
        let held = like.meta.shape()[0] as u32;
        let groups = held.div_ceil(256);
        let across = groups.min(GRID);
        copy::launch(
            &like.client,
            CubeCount::Static(across, groups.div_ceil(across), 1),
            CubeDim::new_1d(256),
            buffer(&like),
            buffer(&out),
            held,
        );
        out
    }

    fn fresh(like: CubeTensor, words: usize) -> CubeTensor {
        empty(&like, words)
    }
}

/// A tensor of 32-bit words on the device.
pub(super) type Words = Tensor<1, Int>;

/// The operations on [`Words`].
pub(super) mod call {
    use super::*;

    type D = Dispatch;

    fn wrap(t: IntTensor<D>) -> Words {
        Tensor::from_dispatch(t)
    }

    pub fn norm(x: &Words, tables: &Words, about: &Words, masks: &Words, call: NormCall) -> Words {
        let [x, tables, about, masks] = [x, tables, about, masks].map(|t| t.clone().into_dispatch());
        wrap(<D as Kernels>::norm(x, tables, about, masks, call))
    }

    /// What a linear layer reads beside its input.
    pub struct Beside<'a> {
        pub tables: &'a Words,
        pub about: &'a Words,
        pub masks: &'a Words,
        pub cache: &'a Words,
    }

    pub fn linear(weights: &Words, x: &Words, beside: &Beside<'_>, out: Words, place: Place) -> Words {
        let b = beside;
        let [w, t, x, a, m, c] = [weights, b.tables, x, b.about, b.masks, b.cache].map(|t| t.clone().into_dispatch());
        wrap(<D as Kernels>::linear(w, t, x, a, m, out.into_dispatch(), c, place))
    }

    pub fn attention(queries: &Words, beside: &Beside<'_>, tokens: u32, heads: Heads) -> Words {
        let b = beside;
        let [q, c, t, a, m] = [queries, b.cache, b.tables, b.about, b.masks].map(|t| t.clone().into_dispatch());
        wrap(<D as Kernels>::attention(q, c, t, a, m, tokens, heads))
    }

    pub fn grown(like: &Words, words: usize) -> Words {
        wrap(<D as Kernels>::grown(like.clone().into_dispatch(), words))
    }

    pub fn fresh(like: &Words, words: usize) -> Words {
        wrap(<D as Kernels>::fresh(like.clone().into_dispatch(), words))
    }
}
