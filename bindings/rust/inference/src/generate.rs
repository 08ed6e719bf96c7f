use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::ptr;
use std::time::Duration;

use inference_sys as sys;

use crate::adapter::split;
use crate::error::call;
use crate::raw::{self, handle};
use crate::{AdapterUse, Cancel, Chat, Result, Session, TokenId};

/// What [`Session::generate`] continues.
#[derive(Clone, Copy, Debug)]
pub enum Prompt<'a> {
    /// Continues what the session holds. An empty session gets the checkpoint's special tokens, such as
    /// `<bos>`, in front; special tokens written in the text stay text.
    Text(&'a str),
    /// Continue what the session holds, as they are.
    Tokens(&'a [TokenId]),
    /// The whole conversation: what the session already holds of it is reused, the rest of the session
    /// is dropped.
    Chat(&'a Chat),
}

impl<'a> From<&'a str> for Prompt<'a> {
    fn from(text: &'a str) -> Self {
        Prompt::Text(text)
    }
}

impl<'a> From<&'a [TokenId]> for Prompt<'a> {
    fn from(ids: &'a [TokenId]) -> Self {
        Prompt::Tokens(ids)
    }
}

impl<'a> From<&'a Chat> for Prompt<'a> {
    fn from(chat: &'a Chat) -> Self {
        Prompt::Chat(chat)
    }
}

/// A step that leaves tokens out, or makes them more or less even, before one is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Filter {
    TopP = sys::INF_FILTER_TOP_P as isize,
    MinP = sys::INF_FILTER_MIN_P as isize,
    TopK = sys::INF_FILTER_TOP_K as isize,
    Typical = sys::INF_FILTER_TYPICAL as isize,
    Temperature = sys::INF_FILTER_TEMPERATURE as isize,
}

/// How to generate. Default: greedy, 256 tokens at most.
#[derive(Clone, Debug)]
pub struct GenerateOptions {
    sampling: sys::inf_sampling,
    stops: Vec<String>,
    stop_tokens: Vec<TokenId>,
    biases: Vec<(TokenId, f32)>,
    logprobs: u32, // INF_LOGPROBS_*
    top_logprobs: u32,
    overflow: u32, // INF_OVERFLOW_*
    keep_head: u64,
    adapters: Option<Vec<AdapterUse>>,
    cancel: Option<Cancel>,
}

impl Default for GenerateOptions {
    fn default() -> Self {
        // SAFETY: plain fields, filled by the library.
        let mut sampling: sys::inf_sampling = unsafe { raw::zeroed() };
        unsafe { sys::inf_sampling_init(&mut sampling) };
        GenerateOptions {
            sampling,
            stops: Vec::new(),
            stop_tokens: Vec::new(),
            biases: Vec::new(),
            logprobs: 0,
            top_logprobs: 0,
            overflow: sys::INF_OVERFLOW_ERROR,
            keep_head: 0,
            adapters: None,
            cancel: None,
        }
    }
}

impl GenerateOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bounds the tokens generated.
    pub fn max_tokens(mut self, n: i32) -> Self {
        self.sampling.max_tokens = n;
        self
    }

    /// Draws tokens at random; 0 is greedy.
    pub fn temperature(mut self, t: f32) -> Self {
        self.sampling.temperature = t;
        self
    }

    /// Keeps the `k` likeliest tokens; 0 is off.
    pub fn top_k(mut self, k: i32) -> Self {
        self.sampling.top_k = k;
        self
    }

    /// Keeps the likeliest tokens that together reach probability `p`; 0 or 1 is off.
    pub fn top_p(mut self, p: f32) -> Self {
        self.sampling.top_p = p;
        self
    }

    /// Drops tokens less likely than `p` times the likeliest one; 0 is off.
    pub fn min_p(mut self, p: f32) -> Self {
        self.sampling.min_p = p;
        self
    }

    /// Makes tokens that this request generated less likely; 0 or 1 is off.
    pub fn repeat_penalty(mut self, penalty: f32) -> Self {
        self.sampling.repeat_penalty = penalty;
        self
    }

    /// Keeps the tokens whose surprise is nearest to the entropy, those that together reach probability
    /// `p` (locally typical sampling); 0 or 1 is off.
    pub fn typical_p(mut self, p: f32) -> Self {
        self.sampling.typical_p = p;
        self
    }

    /// Taken from a token's logit for each time this request generated it; 0 is off.
    pub fn frequency_penalty(mut self, penalty: f32) -> Self {
        self.sampling.frequency_penalty = penalty;
        self
    }

    /// Taken from the logits of tokens that this request generated; 0 is off.
    pub fn presence_penalty(mut self, penalty: f32) -> Self {
        self.sampling.presence_penalty = penalty;
        self
    }

    /// Penalties look at the last `n` generated tokens only; 0 is all.
    pub fn penalty_window(mut self, n: i32) -> Self {
        self.sampling.penalty_window = n;
        self
    }

    /// The order in which filters act; those left out do not. Default: top-p, min-p, top-k, typical,
    /// temperature.
    pub fn filter_order(mut self, filters: &[Filter]) -> Self {
        self.sampling.order = [0; 8];
        // One too many is one twice: an error.
        for (place, filter) in self.sampling.order.iter_mut().zip(filters) {
            *place = *filter as u8;
        }
        self
    }

    /// Ends the text before the first place where this, or another stop, stands; nothing of it is given.
    pub fn stop(mut self, text: impl Into<String>) -> Self {
        self.stops.push(text.into());
        self
    }

    /// Ends the text before this token, also with `ignore_end`.
    pub fn stop_token(mut self, id: TokenId) -> Self {
        self.stop_tokens.push(id);
        self
    }

    /// Added to the logit of a token; minus infinity bans it.
    pub fn logit_bias(mut self, id: TokenId, bias: f32) -> Self {
        self.biases.push((id, bias));
        self
    }

    /// Fills [`Token::logprob`], and [`Token::top`] with the `top` likeliest tokens (at most 64): of the
    /// model's own distribution, before penalties, bias and temperature.
    pub fn logprobs(mut self, top: u32) -> Self {
        self.logprobs |= sys::INF_LOGPROBS_GENERATED;
        self.top_logprobs = top;
        self
    }

    /// Fills `logprobs` of [`Event::Prefill`]. What the session holds of the prompt is computed again.
    pub fn prompt_logprobs(mut self) -> Self {
        self.logprobs |= sys::INF_LOGPROBS_PROMPT;
        self
    }

    /// Fixes the random draws: same seed, same text.
    pub fn seed(mut self, seed: u64) -> Self {
        self.sampling.seed = seed;
        self
    }

    /// Goes on after an end-of-text token.
    pub fn ignore_end(mut self) -> Self {
        self.sampling.flags |= sys::INF_SAMPLING_IGNORE_END;
        self
    }

    /// Goes on where the context, prompt and text, outgrows the session, which without this is
    /// [`ErrorKind::ContextFull`](crate::ErrorKind) or [`Finish::ContextFull`]: the oldest tokens are
    /// dropped, so that the newest fill half of the capacity, and what is left is computed again, with
    /// the bits that it has in a new session.
    pub fn slide(mut self) -> Self {
        (self.overflow, self.keep_head) = (sys::INF_OVERFLOW_SLIDE, 0);
        self
    }

    /// [`slide`](Self::slide), but the first `n` tokens of the context stay, such as a system message:
    /// 1 to the session's capacity less 2. The newest fill half of the room beside them.
    pub fn keep_head(mut self, n: u64) -> Self {
        (self.overflow, self.keep_head) = (sys::INF_OVERFLOW_KEEP_HEAD, n);
        self
    }

    /// Sets the session's adapters for this request and those that follow; none is the base. What the
    /// session holds is computed again where the set changes.
    pub fn adapters(mut self, uses: &[AdapterUse]) -> Self {
        self.adapters = Some(uses.to_vec());
        self
    }

    /// Ends the generation, with `ErrorKind::Cancelled`, when it is triggered.
    pub fn cancel(mut self, cancel: &Cancel) -> Self {
        self.cancel = Some(cancel.clone());
        self
    }
}

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

handle!(Request, inf_request, inf_request_free, Send);
handle!(Gen, inf_gen, inf_gen_free, Send);

/// A running generation: an iterator over its tokens, one call into the library each. Dropping it stops
/// the engine and frees the session for new work.
#[derive(Debug)]
pub struct Generation<'s> {
    gen: Gen, // dropped before the request
    _request: Request,
    _cancel: Option<Cancel>,
    _session: PhantomData<&'s mut Session>,
    finished: bool,
}

impl Request {
    /// `begins`: a session that holds nothing.
    pub(crate) fn of(prompt: Prompt<'_>, begins: bool, options: &GenerateOptions) -> Result<Self> {
        // SAFETY: live handles, pointers with their lengths; the request copies what it is given.
        let request = Request::from_call(|out, err| unsafe { sys::inf_request_new(out, err) })?;
        let r = request.raw();
        call(|err| unsafe {
            match prompt {
                Prompt::Text(text) => {
                    let flags = if begins { sys::INF_ADD_SPECIAL } else { 0 };
                    sys::inf_request_set_text(r, text.as_ptr().cast(), text.len(), flags, err)
                }
                Prompt::Tokens(ids) => sys::inf_request_set_tokens(r, ids.as_ptr(), ids.len(), err),
                Prompt::Chat(chat) => sys::inf_request_set_chat(r, chat.raw(), err),
            }
        })?;
        call(|err| unsafe { sys::inf_request_set_sampling(r, &options.sampling, err) })?;
        for stop in &options.stops {
            call(|err| unsafe {
                sys::inf_request_add_stop(r, stop.as_ptr().cast(), stop.len(), err)
            })?;
        }
        for &id in &options.stop_tokens {
            call(|err| unsafe { sys::inf_request_add_stop_token(r, id, err) })?;
        }
        for &(id, bias) in &options.biases {
            call(|err| unsafe { sys::inf_request_add_bias(r, id, bias, err) })?;
        }
        call(|err| unsafe {
            sys::inf_request_set_logprobs(r, options.logprobs, options.top_logprobs, err)
        })?;
        call(|err| unsafe {
            sys::inf_request_set_overflow(r, options.overflow, options.keep_head, err)
        })?;
        if let Some(uses) = &options.adapters {
            let (adapters, scales) = split(uses);
            call(|err| unsafe {
                let (list, n) = (adapters.as_ptr(), adapters.len());
                sys::inf_request_set_adapters(r, list, scales.as_ptr(), n, err)
            })?;
        }
        if let Some(cancel) = &options.cancel {
            call(|err| unsafe { sys::inf_request_set_cancel(r, cancel.raw(), err) })?;
        }
        Ok(request)
    }
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
