use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::ptr;
use std::time::Duration;

use inference_sys as sys;

use crate::error::call;
use crate::raw::{self, handle};
use crate::request::Request;
use crate::{Cancel, GenerateOptions, Prompt, Result, Session, TokenId};

/// A token and the natural logarithm of its probability.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct TokenLogprob {
    pub id: TokenId,
    pub logprob: f64,
}

/// One generated token. The text holds whole code points: it is empty while one is incomplete or could be the
/// beginning of a stop string, and what is left at the end comes as a last token with id -1.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Token {
    /// In the vocabulary, or -1.
    pub id: TokenId,
    /// What to show.
    pub text: String,
    /// In the session.
    pub pos: u64,
    /// Natural logarithm; 0 unless [`GenerateOptions::logprobs`] asked for it.
    pub logprob: f64,
    /// The likeliest in its place, descending; empty unless they were asked for.
    pub top: Vec<TokenLogprob>,
}

/// One step of a generation.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A chunk of the prompt is done, or of what an overflow has left of prompt and text.
    #[non_exhaustive]
    Prefill {
        /// Tokens done.
        done: u64,
        /// Tokens of the prompt.
        total: u64,
        /// Those that are done since the last event, each after those before it; NaN for one with none
        /// before it. Empty unless [`GenerateOptions::prompt_logprobs`] asked for it.
        logprobs: Vec<TokenLogprob>,
    },
    /// A token came out.
    Token(Token),
}

/// Why a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finish {
    /// It has not ended.
    None,
    /// The model ended it.
    End,
    /// `max_tokens`.
    Length,
    /// The session's capacity; [`GenerateOptions::slide`] goes on past it.
    ContextFull,
    /// A callback ended it.
    Stopped,
    /// Ended by [`Cancel`].
    Cancelled,
    /// A step failed.
    Error,
    /// [`GenerateOptions::stop`].
    StopString,
    /// [`GenerateOptions::stop_token`].
    StopToken,
}

/// How a generation went.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(missing_docs)]
pub struct Outcome {
    pub finish: Finish,
    pub prompt_tokens: u64,
    /// Of those, already in the session.
    pub cached_tokens: u64,
    pub generated_tokens: u64,
    /// Prompt, up to the first token.
    pub prefill: Duration,
    /// The tokens after the first.
    pub decode: Duration,
    pub total: Duration,
    /// Device memory at the end.
    pub active_bytes: u64,
    /// Its highest during the request.
    pub peak_bytes: u64,
    pub prefill_tok_s: f64,
    pub decode_tok_s: f64,
    /// Of the context, by [`GenerateOptions::slide`] or `keep_head`.
    pub dropped_tokens: u64,
    /// How often that happened.
    pub overflows: u64,
}

handle!(Gen, inf_gen, inf_gen_free, Send);

/// A running generation: an iterator over its tokens, one call into the library each. Dropping it stops
/// the engine and frees the session for new work, which does not compile before:
///
/// ```compile_fail,E0499
/// # let path = "../../../tests/data/golden/tiny/llama-gqa/model";
/// # let model = inference::Runtime::new()?.load_model(path)?;
/// # let mut session = model.new_session()?;
/// let mut tokens = session.generate("Once upon a time", &inference::GenerateOptions::new())?;
/// println!("{:?}, {:?}", tokens.next(), tokens.outcome()?);
/// session.reset()?; // wants drop(tokens) before it
/// # Ok::<(), inference::Error>(())
/// ```
#[derive(Debug)]
pub struct Generation<'s> {
    gen: Gen, // dropped before the request
    _request: Request,
    _cancel: Option<Cancel>,
    _session: PhantomData<&'s mut Session>,
    finished: bool,
}

impl Session {
    /// Begins to generate. An error ends the iteration, and the session holds the tokens computed so far.
    pub fn generate<'a>(
        &mut self,
        prompt: impl Into<Prompt<'a>>,
        options: &GenerateOptions,
    ) -> Result<Generation<'_>> {
        let request = Request::of(prompt.into(), self.is_empty(), options)?;
        let r = request.raw();
        // SAFETY: live handles.
        let gen =
            Gen::from_call(|out, err| unsafe { sys::inf_gen_start(self.raw(), r, out, err) })?;
        Ok(Generation {
            gen,
            _request: request,
            _cancel: options.cancel.clone(),
            _session: PhantomData,
            finished: false,
        })
    }
}

impl Generation<'_> {
    /// The next step, chunks of the prompt included; `None` after the end or an error.
    pub fn next_event(&mut self) -> Option<Result<Event>> {
        if self.finished {
            return None;
        }
        let mut event: *const sys::inf_event = ptr::null();
        // SAFETY: a live handle.
        let status = call(|err| unsafe { sys::inf_gen_next(self.gen.raw(), &mut event, err) });
        match status {
            Ok(sys::INF_DONE) => {
                self.finished = true;
                None
            }
            // SAFETY: the event is valid until the next call.
            Ok(_) => Some(Ok(unsafe { read_event(&*event) })),
            Err(error) => {
                self.finished = true;
                Some(Err(error))
            }
        }
    }

    /// How it went so far; complete once the iteration has ended.
    pub fn outcome(&self) -> Result<Outcome> {
        // SAFETY: a live handle, plain fields.
        let mut r: sys::inf_result = unsafe { raw::zeroed() };
        r.struct_size = raw::size_of::<sys::inf_result>();
        call(|err| unsafe { sys::inf_gen_result(self.gen.raw(), &mut r, err) })?;
        Ok(Outcome::of(&r))
    }
}

impl Outcome {
    pub(crate) fn of(r: &sys::inf_result) -> Self {
        Outcome {
            finish: match r.finish {
                sys::INF_FINISH_NONE => Finish::None,
                sys::INF_FINISH_END => Finish::End,
                sys::INF_FINISH_LENGTH => Finish::Length,
                sys::INF_FINISH_CONTEXT_FULL => Finish::ContextFull,
                sys::INF_FINISH_STOPPED => Finish::Stopped,
                sys::INF_FINISH_CANCELLED => Finish::Cancelled,
                sys::INF_FINISH_STOP_STRING => Finish::StopString,
                sys::INF_FINISH_STOP_TOKEN => Finish::StopToken,
                _ => Finish::Error,
            },
            prompt_tokens: r.prompt_tokens,
            cached_tokens: r.cached_tokens,
            generated_tokens: r.generated_tokens,
            prefill: Duration::from_nanos(r.prefill_ns),
            decode: Duration::from_nanos(r.decode_ns),
            total: Duration::from_nanos(r.total_ns),
            active_bytes: r.active_bytes,
            peak_bytes: r.peak_bytes,
            prefill_tok_s: r.prefill_tok_s,
            decode_tok_s: r.decode_tok_s,
            dropped_tokens: r.dropped_tokens,
            overflows: r.overflows,
        }
    }
}

/// # Safety
/// The event's arrays are valid.
unsafe fn read_logprobs(event: &sys::inf_event) -> Vec<TokenLogprob> {
    (0..event.ids_len as usize)
        .map(|i| TokenLogprob { id: *event.ids.add(i), logprob: *event.logprobs.add(i) })
        .collect()
}

/// # Safety
/// The event's text and arrays are valid.
pub(crate) unsafe fn read_event(event: &sys::inf_event) -> Event {
    match event.kind {
        sys::INF_EVENT_TOKEN => Event::Token(Token {
            id: event.token,
            text: raw::text_of(event.text, event.text_len as usize),
            pos: event.pos,
            logprob: event.logprob,
            top: read_logprobs(event),
        }),
        _ => {
            Event::Prefill { done: event.step, total: event.total, logprobs: read_logprobs(event) }
        }
    }
}

impl Iterator for Generation<'_> {
    type Item = Result<Token>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.next_event()? {
                Ok(Event::Token(token)) => return Some(Ok(token)),
                Ok(Event::Prefill { .. }) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl FusedIterator for Generation<'_> {}

impl Drop for Generation<'_> {
    /// Holds the session's borrow to the end of the value, as the library does, not to its last use.
    fn drop(&mut self) {}
}
