use std::ptr;

use inference_sys as sys;

use crate::error::call;
use crate::generate::read_event;
use crate::raw::{self, handle};
use crate::request::Request;
use crate::{Error, Event, GenerateOptions, Model, Outcome, Prompt, Result, Session};

/// How a batch runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct BatchOptions {
    slots: u32,
    step_tokens: u32,
}

impl BatchOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requests that run at a time, 1 to 64; 0 = 16. The others wait their turn.
    pub fn slots(mut self, n: u32) -> Self {
        self.slots = n;
        self
    }

    /// Tokens of a step at most, prompts and generated ones; 0 = the option "prefill_chunk".
    pub fn step_tokens(mut self, n: u32) -> Self {
        self.step_tokens = n;
        self
    }
}

handle!(
    /// Many requests of one model together: a step computes the next token of every request that has its
    /// prompt, and beside them a part of the prompts that wait. A request gives the text, and the bits, that
    /// it gives alone, whoever else is there.
    ///
    /// An iterator over the events of all of them, until none is left; more may be added at any time, then
    /// too. An error concerns all requests (`ErrorKind::DeviceLost`); one of a single request is in its last
    /// event, and the others go on.
    ///
    /// ```
    /// # let path = "../../../tests/data/golden/tiny/llama-gqa/model";
    /// # let model = inference::Runtime::new()?.load_model(path)?;
    /// use inference::{BatchEventKind, BatchOptions, Event, GenerateOptions};
    ///
    /// let options = GenerateOptions::new().max_tokens(8);
    /// let mut batch = model.new_batch(BatchOptions::new().slots(2))?;
    /// for prompt in ["Once upon a time", "The quick brown fox", "What is"] {
    ///     batch.add(prompt, &options)?;
    /// }
    /// while let Some(event) = batch.next() {
    ///     let event = event?;
    ///     match event.kind {
    ///         BatchEventKind::Step(Event::Token(token)) => println!("{}: {}", event.id, token.text),
    ///         BatchEventKind::Failed(_, error) => return Err(error),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok::<(), inference::Error>(())
    /// ```
    Batch, inf_batch, inf_batch_free, Send
);

/// What a request of a batch did.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(missing_docs)]
pub struct BatchEvent {
    /// The request, as [`Batch::add`] gave it.
    pub id: u64,
    pub kind: BatchEventKind,
}

/// A request goes on, or has ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum BatchEventKind {
    /// It goes on.
    Step(Event),
    /// It has ended.
    Done(Outcome),
    /// It has failed, or was cancelled.
    Failed(Outcome, Error),
}

impl Model {
    /// A batch without requests.
    pub fn new_batch(&self, options: BatchOptions) -> Result<Batch> {
        let options = sys::inf_batch_options {
            struct_size: raw::size_of::<sys::inf_batch_options>(),
            slots: options.slots,
            step_tokens: options.step_tokens,
            reserved: 0,
        };
        // SAFETY: a live handle.
        Batch::from_call(|out, err| unsafe { sys::inf_batch_new(self.raw(), &options, out, err) })
    }
}

// SAFETY, in all of these: handles are live, and `&mut` excludes other calls.
impl Batch {
    /// A request with a session of its own joins at the next step. Its cancel object ends it alone.
    pub fn add<'a>(
        &mut self,
        prompt: impl Into<Prompt<'a>>,
        options: &GenerateOptions,
    ) -> Result<u64> {
        self.join(ptr::null_mut(), Request::of(prompt.into(), true, options)?)
    }

    /// The same over what a session of the batch's model holds, which is busy until the request has ended.
    pub fn add_to<'a>(
        &mut self,
        session: &mut Session,
        prompt: impl Into<Prompt<'a>>,
        options: &GenerateOptions,
    ) -> Result<u64> {
        let request = Request::of(prompt.into(), session.is_empty(), options)?;
        self.join(session.raw(), request)
    }

    fn join(&mut self, session: *mut sys::inf_session, request: Request) -> Result<u64> {
        let mut id = 0;
        call(|err| unsafe {
            sys::inf_batch_add(self.raw(), session, request.raw(), &mut id, err)
        })?;
        Ok(id)
    }

    /// Ends a request without another event; its session holds what was computed. `ErrorKind::Argument`
    /// where none of that id is left.
    pub fn remove(&mut self, id: u64) -> Result<()> {
        call(|err| unsafe { sys::inf_batch_remove(self.raw(), id, err) })?;
        Ok(())
    }
}

impl Iterator for Batch {
    type Item = Result<BatchEvent>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut event: *const sys::inf_batch_event = ptr::null();
        // SAFETY: a live handle, and what it lends until the next call.
        match call(|err| unsafe { sys::inf_batch_next(self.raw(), &mut event, err) }) {
            Ok(sys::INF_DONE) => None,
            Ok(_) => Some(Ok(unsafe { read_batch_event(&*event) })),
            Err(error) => Some(Err(error)),
        }
    }
}

/// # Safety
/// What the event points to is valid.
unsafe fn read_batch_event(event: &sys::inf_batch_event) -> BatchEvent {
    let kind = if !event.event.is_null() {
        BatchEventKind::Step(read_event(&*event.event))
    } else {
        let outcome = Outcome::of(&*event.result);
        match event.status {
            sys::INF_OK => BatchEventKind::Done(outcome),
            status => {
                let message = raw::text_of(event.message, event.message_len as usize);
                BatchEventKind::Failed(outcome, Error::of_request(status, message))
            }
        }
    };
    BatchEvent { id: event.id, kind }
}
