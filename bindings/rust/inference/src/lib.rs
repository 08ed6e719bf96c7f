//! Runs language models on OpenCL devices through libinference.
//!
//! ```
//! use inference::{GenerateOptions, Runtime};
//!
//! # let path = "../../../tests/data/golden/tiny/llama-gqa/model";
//! let model = Runtime::new()?.load_model(path)?; // "model.gguf", or a folder
//! let mut session = model.new_session()?;
//! for token in session.generate("Once upon a time", &GenerateOptions::new().max_tokens(64))? {
//!     print!("{}", token?.text);
//! }
//! # Ok::<(), inference::Error>(())
//! ```
//!
//! Ownership: dropping gives an object back; a child keeps what it needs of its parent, so any order
//! is right.
//!
//! Threads: [`Runtime`], [`Model`], [`Adapter`], [`Tokenizer`] and [`Cancel`] are `Send + Sync`. [`Session`],
//! [`Chat`], [`Batch`] and [`Generation`] are `Send`; sessions of one model may run on different threads.
//!
//! Cancel: dropping a [`Generation`] ends it; [`Cancel::trigger`], from any thread, ends the work that
//! was given the object within one token, or some 10 GFLOP of a prompt. The session then holds exactly
//! the tokens that were computed, and can be used again.
//!
//! Callbacks may panic: a panic does not cross the library.

#![warn(missing_docs)]

mod adapter;
mod batch;
mod cancel;
mod chat;
mod config;
mod diff;
mod discover;
mod error;
mod estimate;
mod generate;
mod many;
mod memory;
mod model;
mod raw;
mod request;
mod runtime;
mod session;
mod tokenizer;

pub use adapter::{Adapter, AdapterInfo, AdapterUse};
pub use batch::{Batch, BatchEvent, BatchEventKind, BatchOptions};
pub use cancel::Cancel;
pub use chat::Chat;
pub use config::{Config, Value};
pub use diff::{Diff, DiffOptions, DiffPosition, MovedToken};
pub use discover::FoundModel;
pub use error::{Domain, Error, ErrorKind, Result};
pub use estimate::Fit;
pub use generate::{Event, Finish, Generation, Outcome, Token, TokenLogprob};
pub use many::{Class, Pooling};
pub use memory::{Memory, NO_LIMIT};
pub use model::{LoadOptions, Model, ModelInfo, Progress};
pub use request::{Filter, GenerateOptions, Prompt};
pub use runtime::{Device, DeviceType, LogLevel, Runtime};
pub use session::{Metrics, Score, Session};
pub use tokenizer::{TextFlags, TokenId, Tokenizer};

/// The library's version, such as "0.1.0".
pub fn version() -> String {
    // SAFETY: no arguments; the string is static.
    unsafe { raw::text(inference_sys::inf_version_string()) }
}
