use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::Arc;

use inference_sys as sys;

use crate::error::call;
use crate::raw::{self, handle};
use crate::{Cancel, Config, Model, Result, Session};

handle!(AdapterHandle, inf_adapter, inf_adapter_free, Send Sync);

/// A LoRA adapter of one model. It runs beside the weights, which stay as they are, and never changes:
/// another version is another adapter. What uses it keeps it. Clones are the same object.
///
/// ```
/// # let path = "../../../tests/data/golden/tiny/llama-gqa/model";
/// # let model = inference::Runtime::new()?.load_model(path)?;
/// # let path = "../../../tests/data/golden/tiny/llama-gqa/adapter-peft";
/// use inference::{Config, GenerateOptions};
///
/// let adapter = model.load_adapter(path, &Config::new(), None)?;
/// let options = GenerateOptions::new().max_tokens(8).adapters(&[(adapter, 0.5)]);
/// for token in model.new_session()?.generate("Once upon a time", &options)? {
///     print!("{}", token?.text);
/// }
/// # Ok::<(), inference::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Adapter(Arc<AdapterHandle>);

/// What an adapter is.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(missing_docs)]
pub struct AdapterInfo {
    /// Blocks of the model that it has something for.
    pub layers: usize,
    /// Linear layers.
    pub modules: usize,
    /// Of all of them.
    pub max_rank: usize,
    /// "peft", "mlx-lm", "go-mlx" or "null".
    pub format: String,
    /// Of its tensors; empty of a null adapter.
    pub path: PathBuf,
    /// The same for the same values and scales, whatever the format.
    pub hash: String,
    pub parameters: u64,
    /// On the device.
    pub bytes: u64,
}

/// An adapter and the factor it is used with: 0 is the base, 1 the adapter as it was trained.
pub type AdapterUse = (Adapter, f32);

/// The arguments of a set.
pub(crate) fn split(uses: &[AdapterUse]) -> (Vec<*const sys::inf_adapter>, Vec<f32>) {
    uses.iter().map(|(adapter, scale)| (adapter.raw() as *const sys::inf_adapter, *scale)).unzip()
}

handle!(UnderHandle, inf_request, inf_request_free, Send);

/// What a call runs under that takes no session: a request that says this and nothing else.
pub(crate) struct Under(Option<UnderHandle>);

impl Under {
    pub(crate) fn of(uses: &[AdapterUse]) -> Result<Self> {
        if uses.is_empty() {
            return Ok(Under(None));
        }
        let request = UnderHandle::from_call(|out, err| unsafe { sys::inf_request_new(out, err) })?;
        let (adapters, scales) = split(uses);
        call(|err| unsafe {
            let (list, n) = (adapters.as_ptr(), adapters.len());
            sys::inf_request_set_adapters(request.raw(), list, scales.as_ptr(), n, err)
        })?;
        Ok(Under(Some(request)))
    }

    /// NULL for the base.
    pub(crate) fn raw(&self) -> *const sys::inf_request {
        self.0.as_ref().map_or(ptr::null(), |request| request.raw() as *const _)
    }
}

// SAFETY, in all of these: live handles, pointers with their lengths.
impl Model {
    /// Loads an adapter that PEFT, mlx-lm or go-mlx wrote: a folder, or the file with its tensors. Options
    /// of `config`: "adapter_scale", "allow_symlinks".
    pub fn load_adapter(
        &self,
        path: impl AsRef<Path>,
        config: &Config,
        cancel: Option<&Cancel>,
    ) -> Result<Adapter> {
        let path = path.as_ref().as_os_str().as_bytes();
        let config = config.build()?;
        let cancel = cancel.map_or(ptr::null_mut(), Cancel::raw);
        Adapter::new(|out, err| unsafe {
            let (data, len) = (path.as_ptr().cast(), path.len());
            sys::inf_adapter_load(self.raw(), data, len, config.raw(), cancel, out, err)
        })
    }
}

impl Adapter {
    fn new(
        make: impl FnOnce(*mut *mut sys::inf_adapter, *mut sys::inf_error) -> sys::inf_status,
    ) -> Result<Self> {
        Ok(Adapter(Arc::new(AdapterHandle::from_call(make)?)))
    }

    fn raw(&self) -> *mut sys::inf_adapter {
        self.0.raw()
    }

    /// Noise in the shape of this one: a baseline for what its training did. The values have the standard
    /// deviation `init_scale` * sqrt(`rank_scale`), usually 0.02 and 1; the same for the same seed.
    pub fn null(&self, seed: u64, init_scale: f64, rank_scale: f64) -> Result<Adapter> {
        Adapter::new(|out, err| unsafe {
            sys::inf_adapter_null(self.raw(), seed, init_scale, rank_scale, out, err)
        })
    }

    /// What the adapter is.
    pub fn info(&self) -> Result<AdapterInfo> {
        let mut d: sys::inf_adapter_desc = unsafe { raw::zeroed() };
        d.struct_size = raw::size_of::<sys::inf_adapter_desc>();
        call(|err| unsafe { sys::inf_adapter_info(self.raw(), &mut d, err) })?;
        Ok(AdapterInfo {
            layers: d.layers as usize,
            modules: d.modules as usize,
            max_rank: d.max_rank as usize,
            format: unsafe { raw::text(d.format) },
            path: unsafe { raw::path(d.path) },
            hash: unsafe { raw::text(d.hash) },
            parameters: d.parameters,
            bytes: d.bytes,
        })
    }
}

impl Session {
    /// What the session computes under from now on; none is the base. Where the set changes, the session
    /// is reset.
    pub fn set_adapters(&mut self, uses: &[AdapterUse]) -> Result<()> {
        let (adapters, scales) = split(uses);
        call(|err| unsafe {
            let (list, n) = (adapters.as_ptr(), adapters.len());
            sys::inf_session_set_adapters(self.raw(), list, scales.as_ptr(), n, err)
        })?;
        Ok(())
    }
}
