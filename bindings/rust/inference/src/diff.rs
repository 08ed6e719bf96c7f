//! How two sides of one model differ on given texts.

use std::ptr;

use inference_sys as sys;

use crate::adapter::Under;
use crate::error::call;
use crate::many::{Inputs, Items};
use crate::raw::{self, Floats, Tokens};
use crate::{AdapterUse, Cancel, Model, Result, TokenId};

/// How to compare; the default is all positions without the tokens that moved.
#[derive(Clone, Debug, Default)]
pub struct DiffOptions {
    /// Only what follows the last token of a text.
    pub last_only: bool,
    /// Tokens that moved most, at each position: 0 to 64.
    pub top_k: u32,
    /// As for `score_rolling`; 0: the model's context.
    pub window: u64,
    /// 0: one.
    pub overlap: u64,
}

/// A token whose probability changed.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct MovedToken {
    #[allow(missing_docs)]
    pub id: TokenId,
    /// ln of its probability on the base's side.
    pub base: f32,
    /// And on the adapted one.
    pub adapted: f32,
}

/// How the sides differ after one token, in nats.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DiffPosition {
    /// Log-probability of the token that follows; NaN with `last_only`.
    pub base: f32,
    /// The same of the adapted side.
    pub adapted: f32,
    /// KL(adapted || base).
    pub kl: f32,
    /// KL(base || adapted).
    pub kl_reverse: f32,
    /// Jensen-Shannon, at most ln 2.
    pub js: f32,
    /// The tokens whose probability changed most, that first.
    pub moved: Vec<MovedToken>,
}

/// How the sides differ on one text.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Diff {
    /// Of the text.
    pub ids: Vec<TokenId>,
    /// After each token but the last; with `last_only` after the last.
    pub positions: Vec<DiffPosition>,
    /// Totals; 0 with `last_only`.
    pub base_logprob: f64,
    #[allow(missing_docs)]
    pub adapted_logprob: f64,
    /// Over the positions, as the next.
    pub mean_kl: f64,
    #[allow(missing_docs)]
    pub mean_kl_reverse: f64,
    #[allow(missing_docs)]
    pub mean_js: f64,
    #[allow(missing_docs)]
    pub max_kl: f64,
    #[allow(missing_docs)]
    pub max_js: f64,
}

impl Model {
    /// Compares two sides of the model on each text: both run in the same steps, over one copy of the
    /// weights. A side without adapters is the base. Where they are the same, all distances are exactly 0.
    pub fn diff<T: AsRef<str>>(
        &self,
        texts: &[T],
        base: &[AdapterUse],
        adapted: &[AdapterUse],
        options: &DiffOptions,
        cancel: Option<&Cancel>,
    ) -> Result<Vec<Result<Diff>>> {
        let inputs = Inputs::of(texts)?;
        let (base, adapted) = (Under::of(base)?, Under::of(adapted)?);
        // SAFETY, here and below: plain structs; live handles; the outputs are those of this call.
        let mut given: sys::inf_diff_options = unsafe { raw::zeroed() };
        given.struct_size = raw::size_of::<sys::inf_diff_options>();
        given.flags = if options.last_only { sys::INF_DIFF_LAST } else { 0 };
        given.top_k = options.top_k;
        given.window = options.window;
        given.overlap = options.overlap;
        let cancel = cancel.map_or(ptr::null_mut(), Cancel::raw);
        let items = Items::from_call(|out, err| unsafe {
            let (a, b) = (base.raw(), adapted.raw());
            sys::inf_diff(self.raw(), inputs.raw(), a, b, &given, cancel, out, err)
        })?;
        Ok(items.collect(|i| Diff::take(&items, i)))
    }
}

impl Diff {
    fn take(items: &Items, i: u64) -> Result<Self> {
        let mut desc: sys::inf_diff_desc = unsafe { raw::zeroed() };
        desc.struct_size = raw::size_of::<sys::inf_diff_desc>();
        let (mut ids, mut values) = (Tokens::new(), Floats::new());
        call(|err| unsafe {
            sys::inf_items_diff(items.raw(), i, &mut desc, ids.raw(), values.raw(), err)
        })?;
        let table = values.to_vec();
        let positions =
            table.chunks_exact(sys::INF_DIFF_COLUMNS as usize).zip(0..).map(|(row, position)| {
                let at = |column: u32| row[column as usize];
                Ok(DiffPosition {
                    base: at(sys::INF_DIFF_BASE),
                    adapted: at(sys::INF_DIFF_ADAPTED),
                    kl: at(sys::INF_DIFF_KL),
                    kl_reverse: at(sys::INF_DIFF_KL_REVERSE),
                    js: at(sys::INF_DIFF_JS),
                    moved: take_moved(items, i, position)?,
                })
            });
        Ok(Diff {
            ids: ids.to_vec(),
            positions: positions.collect::<Result<_>>()?,
            base_logprob: desc.base_logprob,
            adapted_logprob: desc.adapted_logprob,
            mean_kl: desc.mean_kl,
            mean_kl_reverse: desc.mean_kl_reverse,
            mean_js: desc.mean_js,
            max_kl: desc.max_kl,
            max_js: desc.max_js,
        })
    }
}

fn take_moved(items: &Items, i: u64, position: u64) -> Result<Vec<MovedToken>> {
    let (mut ids, mut logprobs) = (Tokens::new(), Floats::new());
    call(|err| unsafe {
        sys::inf_items_moved(items.raw(), i, position, ids.raw(), logprobs.raw(), err)
    })?;
    let pairs = logprobs.to_vec();
    let moved = ids.to_vec().into_iter().zip(pairs.chunks_exact(2));
    Ok(moved.map(|(id, pair)| MovedToken { id, base: pair[0], adapted: pair[1] }).collect())
}
