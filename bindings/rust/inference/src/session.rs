use std::ptr;
use std::time::Duration;

use inference_sys as sys;

use crate::error::call;
use crate::raw::{self, handle, Floats, Tokens};
use crate::{Cancel, Result, TokenId};

handle!(
    /// The tokens that a model has seen, with their keys and values.
    Session, inf_session, inf_session_free, Send
);

/// What a session has done.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(missing_docs)]
pub struct Metrics {
    /// Finished, with or without success.
    pub requests: u64,
    /// Computed, not cached.
    pub prompt_tokens: u64,
    pub generated_tokens: u64,
    pub prefill: Duration,
    pub decode: Duration,
    pub kv_bytes: u64,
}

// SAFETY, in all of these: the handle is live, and `&mut` excludes other calls.
impl Session {
    /// Tokens held.
    pub fn len(&self) -> usize {
        unsafe { sys::inf_session_length(self.raw()) as usize }
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tokens that fit.
    pub fn capacity(&self) -> usize {
        unsafe { sys::inf_session_capacity(self.raw()) as usize }
    }

    /// The tokens held.
    pub fn tokens(&self) -> Result<Vec<TokenId>> {
        let mut out = Tokens::new();
        call(|err| unsafe { sys::inf_session_tokens(self.raw(), out.raw(), err) })?;
        Ok(out.to_vec())
    }

    /// Drops the tokens held.
    pub fn reset(&mut self) -> Result<()> {
        call(|err| unsafe { sys::inf_session_reset(self.raw(), err) })?;
        Ok(())
    }

    /// Appends `ids` and returns the logits after each of them: a row of `vocab_size` values an id.
    /// `ErrorKind::ContextFull`, with nothing appended, where they do not fit.
    pub fn logits(&mut self, ids: &[TokenId], cancel: Option<&Cancel>) -> Result<Vec<f32>> {
        let mut out = Floats::new();
        let cancel = cancel.map_or(ptr::null_mut(), Cancel::raw);
        call(|err| unsafe {
            sys::inf_session_logits(self.raw(), ids.as_ptr(), ids.len(), cancel, out.raw(), err)
        })?;
        Ok(out.to_vec())
    }

    /// What the session has done so far.
    pub fn metrics(&self) -> Result<Metrics> {
        let mut m: sys::inf_metrics = unsafe { raw::zeroed() };
        m.struct_size = raw::size_of::<sys::inf_metrics>();
        call(|err| unsafe { sys::inf_session_metrics(self.raw(), &mut m, err) })?;
        Ok(Metrics {
            requests: m.requests,
            prompt_tokens: m.prompt_tokens,
            generated_tokens: m.generated_tokens,
            prefill: Duration::from_nanos(m.prefill_ns),
            decode: Duration::from_nanos(m.decode_ns),
            kv_bytes: m.kv_bytes,
        })
    }
}
