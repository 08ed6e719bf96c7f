use inference_sys as sys;

use crate::error::call;
use crate::raw::{self, Buf};
use crate::{Result, Runtime};

/// A limit that nothing passes.
pub const NO_LIMIT: u64 = sys::INF_NO_LIMIT;

/// What a runtime holds of a device's memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Memory {
    /// In use.
    pub active: u64,
    /// Given back, kept for reuse.
    pub cached: u64,
    /// Highest `active` since the start or the last [`Runtime::reset_peak_memory`].
    pub peak: u64,
    /// Of active and cached together, or [`NO_LIMIT`].
    pub limit: u64,
    /// Of cached, or [`NO_LIMIT`].
    pub cache_limit: u64,
}

// SAFETY, in all of these: a live handle.
impl Runtime {
    /// The counters of a device, by its index in [`Runtime::devices`].
    pub fn memory(&self, device: u32) -> Result<Memory> {
        let mut m: sys::inf_memory_desc = unsafe { raw::zeroed() };
        m.struct_size = raw::size_of::<sys::inf_memory_desc>();
        call(|err| unsafe { sys::inf_memory_info(self.raw(), device, &mut m, err) })?;
        Ok(Memory {
            active: m.active_bytes,
            cached: m.cached_bytes,
            peak: m.peak_bytes,
            limit: m.limit_bytes,
            cache_limit: m.cache_limit_bytes,
        })
    }

    /// How much a device may hold, active and cached; returns the earlier limit. 0 is what the runtime
    /// began with. What needs more is refused with `ErrorKind::OomDevice`, the numbers in its text.
    pub fn set_memory_limit(&self, device: u32, bytes: u64) -> Result<u64> {
        let mut old = 0;
        call(|err| unsafe { sys::inf_memory_set_limit(self.raw(), device, bytes, &mut old, err) })?;
        Ok(old)
    }

    /// How much freed memory of a device is kept for reuse; returns the earlier limit. 0 keeps nothing.
    pub fn set_cache_limit(&self, device: u32, bytes: u64) -> Result<u64> {
        let mut old = 0;
        call(|err| unsafe {
            sys::inf_memory_set_cache_limit(self.raw(), device, bytes, &mut old, err)
        })?;
        Ok(old)
    }

    /// Makes `peak` what is active now.
    pub fn reset_peak_memory(&self, device: u32) -> Result<()> {
        call(|err| unsafe { sys::inf_memory_reset_peak(self.raw(), device, err) })?;
        Ok(())
    }

    /// Gives what is cached back to the driver.
    pub fn trim_memory(&self, device: u32) -> Result<()> {
        call(|err| unsafe { sys::inf_memory_trim(self.raw(), device, err) })?;
        Ok(())
    }

    /// What the runtime has done and holds, as JSON: requests, tokens, times, models, devices. The
    /// header says what is in it (`inf_runtime_metrics`).
    pub fn metrics_json(&self) -> Result<String> {
        let mut out = Buf::new();
        call(|err| unsafe { sys::inf_runtime_metrics(self.raw(), out.raw(), err) })?;
        Ok(out.to_text())
    }
}
