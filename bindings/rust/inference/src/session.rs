use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::time::Duration;

use inference_sys as sys;

use crate::error::call;
use crate::raw::{self, handle, Buf, Floats, Tokens};
use crate::{Cancel, Result, TokenId};

handle!(
    /// The tokens that a model has seen, with their keys and values.
    ///
    /// ```
    /// # let path = "../../../tests/data/golden/tiny/llama-gqa/model";
    /// # let model = inference::Runtime::new()?.load_model(path)?;
    /// let options = inference::GenerateOptions::new().max_tokens(8);
    /// let mut session = model.new_session()?;
    /// for token in session.generate("Once upon a time", &options)? {
    ///     print!("{}", token?.text);
    /// }
    /// let mut other = session.fork()?; // goes on from here, apart
    /// other.generate(" and", &options)?.last();
    /// assert!(other.len() > session.len());
    /// # Ok::<(), inference::Error>(())
    /// ```
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
    /// Of `requests`, as the next.
    pub cancelled: u64,
    pub failed: u64,
    /// Of prompts, already in the session.
    pub cached_tokens: u64,
    pub total: Duration,
    /// Device memory at the end of the last request.
    pub active_bytes: u64,
    /// Its highest during any request.
    pub peak_bytes: u64,
    pub prefill_tok_s: f64,
    pub decode_tok_s: f64,
}

/// Log-probabilities of given tokens, natural logarithms.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Score {
    /// Of each token.
    pub logprobs: Vec<f32>,
    /// Their sum, made in double.
    pub total: f64,
    /// Every token was the likeliest one where it stands.
    pub is_greedy: bool,
    /// Tokens of the context that the session held already.
    pub cached_tokens: u64,
}

impl Score {
    pub(crate) fn from_call(
        run: impl FnOnce(
            *mut sys::inf_score_desc,
            *mut sys::inf_floats,
            *mut sys::inf_error,
        ) -> sys::inf_status,
    ) -> Result<Self> {
        // SAFETY: all its fields are numbers.
        let mut desc: sys::inf_score_desc = unsafe { raw::zeroed() };
        desc.struct_size = raw::size_of::<sys::inf_score_desc>();
        let mut out = Floats::new();
        call(|err| run(&mut desc, out.raw(), err))?;
        Ok(Score {
            logprobs: out.to_vec(),
            total: desc.total_logprob,
            is_greedy: desc.is_greedy != 0,
            cached_tokens: desc.cached_tokens,
        })
    }
}

// SAFETY, in all of these: the handle is live, and `&mut` excludes other calls.
impl Session {
    /// Drops all but the first `length` tokens. [`ErrorKind::ContextFull`](crate::ErrorKind) where a
    /// sliding window has left what the next token would see.
    pub fn truncate(&mut self, length: u64) -> Result<()> {
        call(|err| unsafe { sys::inf_session_truncate(self.raw(), length, err) })?;
        Ok(())
    }

    /// Another session that holds the same tokens; memory is shared until one of them goes on.
    pub fn fork(&mut self) -> Result<Session> {
        Session::from_call(|out, err| unsafe { sys::inf_session_fork(self.raw(), out, err) })
    }

    /// What it holds, tokens and keys and values, as bytes for [`load`](Session::load).
    pub fn save(&self) -> Result<Vec<u8>> {
        let mut out = Buf::new();
        call(|err| unsafe { sys::inf_session_save(self.raw(), out.raw(), err) })?;
        Ok(out.to_vec())
    }

    /// Holds what [`save`](Session::save) gave: nothing is computed again.
    /// [`ErrorKind::Mismatch`](crate::ErrorKind) where model, tokenizer, adapters or options are others, or
    /// the bytes are damaged; the session is then as it was.
    pub fn load(&mut self, data: &[u8]) -> Result<()> {
        call(|err| unsafe {
            sys::inf_session_load(self.raw(), data.as_ptr().cast(), data.len(), err)
        })?;
        Ok(())
    }

    /// [`save`](Session::save) into a file, which appears whole or not at all.
    pub fn save_file(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref().as_os_str().as_bytes();
        call(|err| unsafe {
            sys::inf_session_save_file(self.raw(), path.as_ptr().cast(), path.len(), err)
        })?;
        Ok(())
    }

    /// [`load`](Session::load) from a file.
    pub fn load_file(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref().as_os_str().as_bytes();
        call(|err| unsafe {
            sys::inf_session_load_file(self.raw(), path.as_ptr().cast(), path.len(), err)
        })?;
        Ok(())
    }

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

    /// ln P(`continuation` | `context`), token by token. What the session holds of the context already is
    /// reused, the rest of it dropped.
    pub fn score(&mut self, context: &[TokenId], continuation: &[TokenId]) -> Result<Score> {
        Score::from_call(|desc, out, err| unsafe {
            sys::inf_score(
                self.raw(),
                context.as_ptr(),
                context.len(),
                continuation.as_ptr(),
                continuation.len(),
                ptr::null_mut(),
                desc,
                out,
                err,
            )
        })
    }

    /// The log-probability of every token but the first. Texts longer than `window` tokens (0: the
    /// capacity) are scored in windows that repeat `overlap` tokens (0: one).
    pub fn score_rolling(&mut self, ids: &[TokenId], window: u64, overlap: u64) -> Result<Score> {
        Score::from_call(|desc, out, err| unsafe {
            sys::inf_score_rolling(
                self.raw(),
                ids.as_ptr(),
                ids.len(),
                window,
                overlap,
                ptr::null_mut(),
                None,
                ptr::null_mut(),
                desc,
                out,
                err,
            )
        })
    }

    /// The `top_k` likeliest tokens after `context`, with their log-probabilities, in descending order.
    pub fn next_top(&mut self, context: &[TokenId], top_k: u64) -> Result<Vec<(TokenId, f32)>> {
        let (mut ids, mut logprobs) = (Tokens::new(), Floats::new());
        call(|err| unsafe {
            sys::inf_next_top(
                self.raw(),
                context.as_ptr(),
                context.len(),
                top_k,
                ptr::null_mut(),
                ids.raw(),
                logprobs.raw(),
                ptr::null_mut(),
                err,
            )
        })?;
        Ok(ids.to_vec().into_iter().zip(logprobs.to_vec()).collect())
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
            cancelled: m.cancelled,
            failed: m.failed,
            cached_tokens: m.cached_tokens,
            total: Duration::from_nanos(m.total_ns),
            active_bytes: m.active_bytes,
            peak_bytes: m.peak_bytes,
            prefill_tok_s: m.prefill_tok_s,
            decode_tok_s: m.decode_tok_s,
        })
    }
}
