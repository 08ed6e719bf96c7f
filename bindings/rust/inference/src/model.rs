use std::any::Any;
use std::ops::ControlFlow;
use std::os::raw::c_void;
use std::os::unix::ffi::OsStrExt;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::ptr;

use inference_sys as sys;

use crate::error::call;
use crate::raw::{self, handle};
use crate::{Cancel, Config, Result, Runtime, Session, Tokenizer};

handle!(
    /// A loaded checkpoint.
    ///
    /// ```
    /// # let path = "../../../tests/data/golden/tiny/llama-gqa/model";
    /// # let model = inference::Runtime::new()?.load_model(path)?;
    /// let info = model.info()?;
    /// println!("{} in {}, {} tokens at most", info.architecture, info.quantization, info.context_length);
    /// # Ok::<(), inference::Error>(())
    /// ```
    Model, inf_model, inf_model_free, Send Sync
);

/// How far loading is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes done.
    pub done: u64,
    /// Of this many; 0 where it is not known.
    pub total: u64,
    /// What is being done.
    pub what: String,
}

type OnProgress<'a> = Box<dyn FnMut(Progress) -> ControlFlow<()> + 'a>;

/// How to load a model.
///
/// ```
/// use inference::{Config, LoadOptions, Runtime};
/// use std::ops::ControlFlow;
///
/// # let path = "../../../tests/data/golden/tiny/llama-gqa/model";
/// let options = LoadOptions::new()
///     .config(Config::new().set("n_ctx", 128).set("kv_type", "f16"))
///     .progress(|at| {
///         println!("{}: {} of {} bytes", at.what, at.done, at.total);
///         ControlFlow::Continue(())
///     });
/// let model = Runtime::new()?.load_model_with(path, options)?;
/// assert_eq!(model.info()?.context_length, 128);
/// # Ok::<(), inference::Error>(())
/// ```
#[derive(Default)]
pub struct LoadOptions<'a> {
    config: Config,
    cancel: Option<Cancel>,
    progress: Option<OnProgress<'a>>,
}

impl<'a> LoadOptions<'a> {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Options by key: "device" is an index, a part of a name or a type; "n_ctx" bounds the length of
    /// sessions; "kv_type" "f16" keeps keys and values in half the memory, "q8" in about a quarter;
    /// "activations" "int8" makes prompts faster and less exact; "parallel_slots" is how many calls of
    /// different threads share a step.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Ends the loading when it is triggered.
    pub fn cancel(mut self, cancel: &Cancel) -> Self {
        self.cancel = Some(cancel.clone());
        self
    }

    /// Called on the loading thread; `Break` ends the loading with `ErrorKind::Callback`.
    pub fn progress(mut self, f: impl FnMut(Progress) -> ControlFlow<()> + 'a) -> Self {
        self.progress = Some(Box::new(f));
        self
    }
}

/// What a model is.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(missing_docs)]
pub struct ModelInfo {
    /// Index in [`Runtime::devices`].
    pub device: usize,
    /// "llama", "gemma3".
    pub architecture: String,
    /// "gguf" or "safetensors".
    pub format: String,
    /// Type of most of the weights: "Q4_1", "BF16", ...
    pub quantization: String,
    pub path: PathBuf,
    pub parameters: u64,
    /// Resident on the device.
    pub weight_bytes: u64,
    /// Weights read for one token.
    pub decode_bytes_per_token: u64,
    /// Full-attention layers only.
    pub kv_bytes_per_token: u64,
    pub vocab_size: usize,
    pub num_layers: usize,
    pub hidden_size: usize,
    pub num_attention_heads: usize,
    pub num_key_value_heads: usize,
    pub head_dim: usize,
    pub intermediate_size: usize,
    /// The longest session.
    pub context_length: usize,
    /// 0 = not quantised.
    pub quant_bits: u32,
    /// Weights a scale; 0 = not quantised.
    pub quant_group: u32,
}

/// Carries a progress function into the library, and its panic back out.
struct ProgressState<'a> {
    f: OnProgress<'a>,
    panic: Option<Box<dyn Any + Send>>,
}

unsafe extern "C" fn on_progress(user: *mut c_void, event: *const sys::inf_event) -> i32 {
    // SAFETY: `user` is the state of `load_model_with`, which waits; the event lives through the call.
    let (state, event) = (&mut *user.cast::<ProgressState<'_>>(), &*event);
    let what = raw::text_of(event.text, event.text_len as usize);
    let progress = Progress { done: event.step, total: event.total, what };
    match catch_unwind(AssertUnwindSafe(|| (state.f)(progress))) {
        Ok(ControlFlow::Continue(())) => 0,
        Ok(ControlFlow::Break(())) => -1,
        Err(panic) => {
            state.panic = Some(panic);
            -1
        }
    }
}

impl Runtime {
    /// Loads a GGUF file, or a folder with `config.json` and `*.safetensors`.
    pub fn load_model(&self, path: impl AsRef<Path>) -> Result<Model> {
        self.load_model_with(path, LoadOptions::new())
    }

    /// As `load_model`, with options. A load that fails leaves nothing behind. A panic of the progress
    /// function comes out of this call.
    pub fn load_model_with(
        &self,
        path: impl AsRef<Path>,
        options: LoadOptions<'_>,
    ) -> Result<Model> {
        let path = path.as_ref().as_os_str().as_bytes();
        let config = options.config.build()?;
        let cancel = options.cancel.as_ref().map_or(ptr::null_mut(), Cancel::raw);
        let mut state = options.progress.map(|f| ProgressState { f, panic: None });
        let (progress, user): (Option<sys::inf_event_fn>, *mut c_void) = match &mut state {
            Some(state) => (Some(on_progress), (state as *mut ProgressState<'_>).cast()),
            None => (None, ptr::null_mut()),
        };
        // SAFETY: live handles; `state` outlives the call.
        let model = Model::from_call(|out, err| unsafe {
            let (data, len) = (path.as_ptr().cast(), path.len());
            let config = config.raw();
            sys::inf_model_load(self.raw(), data, len, config, cancel, progress, user, out, err)
        });
        if let Some(panic) = state.and_then(|state| state.panic) {
            resume_unwind(panic);
        }
        model
    }
}

impl Model {
    /// What the model is.
    pub fn info(&self) -> Result<ModelInfo> {
        // SAFETY: a live handle; the texts are borrowed from the model, which lives.
        let mut d: sys::inf_model_desc = unsafe { raw::zeroed() };
        d.struct_size = raw::size_of::<sys::inf_model_desc>();
        call(|err| unsafe { sys::inf_model_info(self.raw(), &mut d, err) })?;
        Ok(ModelInfo {
            device: d.device as usize,
            architecture: unsafe { raw::text(d.architecture) },
            format: unsafe { raw::text(d.format) },
            quantization: unsafe { raw::text(d.quantization) },
            path: unsafe { raw::path(d.path) },
            parameters: d.parameters,
            weight_bytes: d.weight_bytes,
            decode_bytes_per_token: d.decode_bytes_per_token,
            kv_bytes_per_token: d.kv_bytes_per_token,
            vocab_size: d.vocab_size as usize,
            num_layers: d.num_layers as usize,
            hidden_size: d.hidden_size as usize,
            num_attention_heads: d.num_attention_heads as usize,
            num_key_value_heads: d.num_key_value_heads as usize,
            head_dim: d.head_dim as usize,
            intermediate_size: d.intermediate_size as usize,
            context_length: d.context_length as usize,
            quant_bits: d.quant_bits,
            quant_group: d.quant_group,
        })
    }

    /// The model's own tokenizer.
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        // SAFETY: a live handle.
        Tokenizer::from_call(|out, err| unsafe { sys::inf_model_tokenizer(self.raw(), out, err) })
    }

    /// An empty session, as long as the model allows.
    pub fn new_session(&self) -> Result<Session> {
        self.new_session_with_capacity(0)
    }

    /// An empty session of `capacity` tokens at most; 0 = the model's `context_length`. Texts may go on
    /// past it: [`GenerateOptions::slide`](crate::GenerateOptions::slide).
    pub fn new_session_with_capacity(&self, capacity: u64) -> Result<Session> {
        let options = sys::inf_session_options {
            struct_size: raw::size_of::<sys::inf_session_options>(),
            reserved: 0,
            capacity,
        };
        // SAFETY: a live handle.
        Session::from_call(|out, err| unsafe {
            sys::inf_session_new(self.raw(), &options, out, err)
        })
    }
}
