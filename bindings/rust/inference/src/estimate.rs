use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use inference_sys as sys;

use crate::error::call;
use crate::raw;
use crate::{Config, Result, Runtime};

/// What a model and one full session would take of a device, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fit {
    /// Whether `wanted_bytes` are left on the device.
    pub fits: bool,
    /// Index in [`Runtime::devices`].
    pub device: u32,
    /// Tokens that `kv_bytes` are for.
    pub context_length: u32,
    /// On the device, exactly.
    pub weight_bytes: u64,
    /// Of the layers with full attention.
    pub kv_bytes_per_token: u64,
    /// Of one full session, exactly.
    pub kv_bytes: u64,
    /// An upper bound.
    pub scratch_bytes: u64,
    /// Weights, KV cache and scratch.
    pub wanted_bytes: u64,
    /// In use on the device now.
    pub active_bytes: u64,
    /// Of the device.
    pub limit_bytes: u64,
    /// 0 where it fits.
    pub missing_bytes: u64,
}

impl Runtime {
    /// Whether a model fits, before it is loaded: reads headers, no weights. `config` as for a load:
    /// "device", "n_ctx", "prefill_chunk", "kv_type", "allow_symlinks".
    pub fn estimate(&self, path: impl AsRef<Path>, config: &Config) -> Result<Fit> {
        let path = path.as_ref().as_os_str().as_bytes();
        let config = config.build()?;
        // SAFETY: plain numbers, for which zero is a value.
        let mut fit: sys::inf_fit_desc = unsafe { raw::zeroed() };
        fit.struct_size = raw::size_of::<sys::inf_fit_desc>();
        // SAFETY: pointers go with their lengths and handles are live.
        call(|err| unsafe {
            let (path, len) = (path.as_ptr().cast(), path.len());
            sys::inf_model_estimate(self.raw(), path, len, config.raw(), &mut fit, err)
        })?;
        Ok(Fit {
            fits: fit.fits != 0,
            device: fit.device,
            context_length: fit.context_length,
            weight_bytes: fit.weight_bytes,
            kv_bytes_per_token: fit.kv_bytes_per_token,
            kv_bytes: fit.kv_bytes,
            scratch_bytes: fit.scratch_bytes,
            wanted_bytes: fit.wanted_bytes,
            active_bytes: fit.active_bytes,
            limit_bytes: fit.limit_bytes,
            missing_bytes: fit.missing_bytes,
        })
    }
}
