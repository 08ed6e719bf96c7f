use inference_sys as sys;

use crate::adapter::split;
use crate::error::call;
use crate::raw::{self, handle};
use crate::{AdapterUse, Cancel, Chat, Result, TokenId};

/// What [`Session::generate`](crate::Session::generate) continues.
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
///
/// ```
/// # let path = "../../../tests/data/golden/tiny/llama-gqa/model";
/// # let model = inference::Runtime::new()?.load_model(path)?;
/// # let mut session = model.new_session()?;
/// use inference::{GenerateOptions, Token};
///
/// let options = GenerateOptions::new().max_tokens(16).temperature(0.8).seed(7).logprobs(3).stop("\n");
/// for token in session.generate("Once upon a time", &options)? {
///     let Token { text, logprob, top, .. } = token?;
///     println!("{text:?} {logprob:.2}, {} likelier or nearly so", top.len());
/// }
/// # Ok::<(), inference::Error>(())
/// ```
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
    pub(crate) cancel: Option<Cancel>,
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

    /// Fills [`Token::logprob`](crate::Token::logprob), and [`Token::top`](crate::Token::top) with the `top`
    /// likeliest tokens (at most 64): of the model's own distribution, before penalties, bias and temperature.
    pub fn logprobs(mut self, top: u32) -> Self {
        self.logprobs |= sys::INF_LOGPROBS_GENERATED;
        self.top_logprobs = top;
        self
    }

    /// Fills `logprobs` of [`Event::Prefill`](crate::Event::Prefill). What the session holds of the prompt
    /// is computed again.
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
    /// [`ErrorKind::ContextFull`](crate::ErrorKind) or [`Finish::ContextFull`](crate::Finish::ContextFull):
    /// the oldest tokens are dropped, so that the newest fill half of the capacity, and what is left is
    /// computed again, with the bits that it has in a new session.
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

handle!(Request, inf_request, inf_request_free, Send);

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
