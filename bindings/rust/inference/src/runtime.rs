use std::os::raw::{c_char, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;

use inference_sys as sys;

use crate::error::call;
use crate::raw::{self, handle};
use crate::{Config, Result};

handle!(
    /// Owns the devices, their memory and the kernel cache. Several may coexist.
    ///
    /// ```
    /// for device in inference::Runtime::new()?.devices()? {
    ///     println!("{}, {} MB", device.name, device.memory_bytes >> 20);
    /// }
    /// # Ok::<(), inference::Error>(())
    /// ```
    Runtime, inf_runtime, inf_runtime_free, Send Sync
);

/// How severe a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LogLevel {
    /// Something failed.
    Error = sys::INF_LOG_ERROR as isize,
    /// Something works worse than it should.
    Warning = sys::INF_LOG_WARNING as isize,
    /// What is being done.
    Info = sys::INF_LOG_INFO as isize,
    /// For developers.
    Debug = sys::INF_LOG_DEBUG as isize,
}

type Log = Box<dyn Fn(LogLevel, &str, &str) + Send + Sync>;

/// The kind of a [`Device`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceType {
    /// A processor of the machine.
    Cpu,
    /// A graphics card.
    Gpu,
    /// Anything else.
    Accelerator,
}

/// An OpenCL device; its index in [`Runtime::devices`] is its number.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(missing_docs)]
pub struct Device {
    pub device_type: DeviceType,
    pub name: String,
    pub vendor: String,
    /// Platform and driver version.
    pub driver: String,
    /// As the device reports it.
    pub memory_bytes: u64,
    pub max_alloc_bytes: u64,
    pub compute_units: u32,
    /// Used where none is named.
    pub is_default: bool,
}

impl Runtime {
    /// Looks for devices and opens none. Succeeds where there are none: `devices` is then empty, and
    /// loading a model says why.
    pub fn new() -> Result<Self> {
        Self::with_config(&Config::new())
    }

    /// With options.
    pub fn with_config(config: &Config) -> Result<Self> {
        Self::make(config, None, ptr::null_mut(), None)
    }

    /// With options and a log: level, part of the library, text. It is called on any thread, and must
    /// not call this crate; a panic in it is dropped.
    pub fn with_log(
        config: &Config,
        log: impl Fn(LogLevel, &str, &str) + Send + Sync + 'static,
    ) -> Result<Self> {
        let log: *mut Log = Box::into_raw(Box::new(Box::new(log)));
        let result = Self::make(config, Some(on_log), log.cast(), Some(free_log));
        if result.is_err() {
            // SAFETY: made above, and not taken by the library, since the call failed.
            drop(unsafe { Box::from_raw(log) });
        }
        result
    }

    fn make(
        config: &Config,
        log: Option<sys::inf_log_fn>,
        user: *mut c_void,
        user_free: Option<unsafe extern "C" fn(*mut c_void)>,
    ) -> Result<Self> {
        // SAFETY: live handles; `user` belongs to the two functions.
        call(|err| unsafe { sys::inf_check_abi(sys::INF_VERSION_NUMBER, err) })?;
        let config = config.build()?;
        Self::from_call(|out, err| unsafe {
            sys::inf_runtime_new(config.raw(), log, user, user_free, out, err)
        })
    }

    /// Says which lines reach the log: those of this level and the more severe ones.
    pub fn set_log_level(&self, level: LogLevel) -> Result<()> {
        // SAFETY: a live handle, here and below.
        call(|err| unsafe { sys::inf_runtime_set_log_level(self.raw(), level as i32, err) })?;
        Ok(())
    }

    /// The devices, in a fixed order.
    pub fn devices(&self) -> Result<Vec<Device>> {
        let count = unsafe { sys::inf_device_count(self.raw()) };
        (0..count).map(|index| self.device(index)).collect()
    }

    fn device(&self, index: u32) -> Result<Device> {
        let mut d: sys::inf_device_desc = unsafe { raw::zeroed() };
        d.struct_size = raw::size_of::<sys::inf_device_desc>();
        call(|err| unsafe { sys::inf_device_info(self.raw(), index, &mut d, err) })?;
        Ok(Device {
            device_type: match d.type_ {
                sys::INF_DEVICE_CPU => DeviceType::Cpu,
                sys::INF_DEVICE_GPU => DeviceType::Gpu,
                _ => DeviceType::Accelerator,
            },
            // SAFETY: borrowed from the runtime, which lives.
            name: unsafe { raw::text(d.name) },
            vendor: unsafe { raw::text(d.vendor) },
            driver: unsafe { raw::text(d.driver) },
            memory_bytes: d.memory_bytes,
            max_alloc_bytes: d.max_alloc_bytes,
            compute_units: d.compute_units,
            is_default: d.is_default != 0,
        })
    }
}

unsafe extern "C" fn on_log(
    user: *mut c_void,
    level: i32,
    part: *const c_char,
    part_len: usize,
    msg: *const c_char,
    msg_len: usize,
) {
    let result = catch_unwind(AssertUnwindSafe(|| {
        let level = match level {
            sys::INF_LOG_ERROR => LogLevel::Error,
            sys::INF_LOG_WARNING => LogLevel::Warning,
            sys::INF_LOG_INFO => LogLevel::Info,
            _ => LogLevel::Debug,
        };
        // SAFETY: `user` is the log of `with_log`; the texts live through the call.
        let log = &*user.cast::<Log>();
        log(level, &raw::text_of(part, part_len), &raw::text_of(msg, msg_len));
    }));
    std::mem::forget(result); // a panic's payload could panic again while it is dropped
}

unsafe extern "C" fn free_log(user: *mut c_void) {
    // SAFETY: `user` is the log of `with_log`, and this is its last use.
    std::mem::forget(catch_unwind(AssertUnwindSafe(|| drop(Box::from_raw(user.cast::<Log>())))));
}
