use std::fmt;

use inference_sys as sys;

use crate::raw;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $status:ident,)+) => {
        /// What kind of failure an [`Error`] is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind {
            $($(#[$doc])* $kind,)+
        }

        impl ErrorKind {
            fn from_status(status: i32) -> Self {
                match status {
                    $(sys::$status => ErrorKind::$kind,)+
                    _ => ErrorKind::Internal,
                }
            }

            fn status(self) -> i32 {
                match self {
                    $(ErrorKind::$kind => sys::$status,)+
                }
            }
        }
    };
}

kinds! {
    /// A defect of the library: please report the text.
    Internal = INF_E_INTERNAL,
    /// An argument that is not allowed.
    Argument = INF_E_ARG,
    /// The call does not fit the state of the object.
    State = INF_E_STATE,
    /// The object is in another call.
    Busy = INF_E_BUSY,
    /// This crate and the library do not fit together.
    Abi = INF_E_ABI,
    /// Not a live handle.
    Handle = INF_E_HANDLE,
    /// Above a documented limit.
    Limit = INF_E_LIMIT,
    /// No such file, option or name.
    NotFound = INF_E_NOT_FOUND,
    /// The operating system refused.
    Io = INF_E_IO,
    /// A file or text breaks the rules of its format.
    Format = INF_E_FORMAT,
    /// Well formed, but not implemented.
    Unsupported = INF_E_UNSUPPORTED,
    /// A path that is not allowed.
    Path = INF_E_PATH,
    /// Chat template: syntax, limits, or its own `raise_exception`.
    Template = INF_E_TEMPLATE,
    /// Not a number where a number is needed.
    Numeric = INF_E_NUMERIC,
    /// Out of host memory.
    OomHost = INF_E_OOM_HOST,
    /// Out of device memory.
    OomDevice = INF_E_OOM_DEVICE,
    /// No such device, or it failed.
    Device = INF_E_DEVICE,
    /// The device is gone.
    DeviceLost = INF_E_DEVICE_LOST,
    /// A kernel did not compile.
    KernelBuild = INF_E_KERNEL_BUILD,
    /// Ended by [`Cancel`](crate::Cancel).
    Cancelled = INF_E_CANCELLED,
    /// Ended by a callback.
    Callback = INF_E_CALLBACK,
    /// The tokens do not fit into the session.
    ContextFull = INF_E_CONTEXT_FULL,
    /// Two things that do not belong together.
    Mismatch = INF_E_MISMATCH,
}

/// Where [`Error::sub`] comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Domain {
    /// There is no second code.
    None,
    /// `errno`.
    Errno,
    /// An OpenCL error code.
    OpenCl,
    /// The value that a callback returned.
    Callback,
}

/// Why a call failed. The text names the file or object, the field, the value found and what was
/// wanted.
#[derive(Clone, Debug)]
pub struct Error {
    kind: ErrorKind,
    domain: Domain,
    sub: i32,
    message: String,
}

impl Error {
    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The text, without the kind.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where [`sub`](Error::sub) comes from.
    pub fn domain(&self) -> Domain {
        self.domain
    }

    /// The code of the layer below.
    pub fn sub(&self) -> i32 {
        self.sub
    }

    /// Of one request among several, which has no second code.
    pub(crate) fn of_request(status: i32, message: String) -> Self {
        Error { kind: ErrorKind::from_status(status), domain: Domain::None, sub: 0, message }
    }

    fn new(status: i32, err: &sys::inf_error) -> Self {
        let domain = match err.domain {
            sys::INF_DOMAIN_ERRNO => Domain::Errno,
            sys::INF_DOMAIN_OPENCL => Domain::OpenCl,
            sys::INF_DOMAIN_CALLBACK => Domain::Callback,
            _ => Domain::None,
        };
        let len = (err.msg_len as usize).min(err.msg.len());
        // SAFETY: `len` bytes of an array.
        let message = unsafe { raw::text_of(err.msg.as_ptr(), len) };
        Error { kind: ErrorKind::from_status(status), domain, sub: err.sub, message }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: any status has a static name.
        let name = unsafe { raw::text(sys::inf_status_name(self.kind.status())) };
        write!(f, "{name}: {}", self.message)
    }
}

impl std::error::Error for Error {}

/// Runs one function of the library; a negative status becomes an error, the others come back.
pub(crate) fn call(
    f: impl FnOnce(*mut sys::inf_error) -> sys::inf_status,
) -> Result<sys::inf_status> {
    // SAFETY: plain fields.
    let mut err: sys::inf_error = unsafe { raw::zeroed() };
    err.struct_size = raw::size_of::<sys::inf_error>();
    match f(&mut err) {
        status if status < 0 => Err(Error::new(status, &err)),
        status => Ok(status),
    }
}
