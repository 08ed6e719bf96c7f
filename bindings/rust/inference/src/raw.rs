//! What every module needs at the border: handles, results in the library's memory, C strings.

use std::ffi::{CStr, OsStr};
use std::os::raw::c_char;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use inference_sys as sys;

/// Defines a type that owns one reference to an object of the library.
macro_rules! handle {
    ($(#[$doc:meta])* $name:ident, $raw:ident, $free:ident, $($thread:ident)+) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(std::ptr::NonNull<inference_sys::$raw>);

        impl $name {
            pub(crate) fn from_call(
                make: impl FnOnce(
                    *mut *mut inference_sys::$raw,
                    *mut inference_sys::inf_error,
                ) -> inference_sys::inf_status,
            ) -> crate::Result<Self> {
                let mut out = std::ptr::null_mut();
                crate::error::call(|err| make(&mut out, err))?;
                Ok($name(std::ptr::NonNull::new(out).expect("a call that succeeds fills its result")))
            }

            pub(crate) fn raw(&self) -> *mut inference_sys::$raw {
                self.0.as_ptr()
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: the only reference that this value owns.
                unsafe { inference_sys::$free(self.raw()) }
            }
        }

        // SAFETY: the thread tags of the header.
        $(unsafe impl $thread for $name {})+
    };
}
pub(crate) use handle;

/// A fresh `struct_size`-prefixed struct, or an empty buffer.
///
/// # Safety
/// `T` is a plain struct of `inference_sys`: all zeros is a valid value.
pub(crate) unsafe fn zeroed<T>() -> T {
    std::mem::zeroed()
}

/// The size that goes into a struct's `struct_size`.
pub(crate) fn size_of<T>() -> u32 {
    std::mem::size_of::<T>() as u32
}

/// # Safety
/// NULL, or a C string.
pub(crate) unsafe fn text(s: *const c_char) -> String {
    if s.is_null() {
        return String::new();
    }
    CStr::from_ptr(s).to_string_lossy().into_owned()
}

/// Bytes as the file system has them: a path need not be UTF-8.
///
/// # Safety
/// As `text`.
pub(crate) unsafe fn path(s: *const c_char) -> PathBuf {
    if s.is_null() {
        return PathBuf::new();
    }
    PathBuf::from(OsStr::from_bytes(CStr::from_ptr(s).to_bytes()))
}

/// # Safety
/// `len` elements at `data`, alive as long as the caller says; anything where `len` is 0.
pub(crate) unsafe fn slice<'a, T>(data: *const T, len: usize) -> &'a [T] {
    if len == 0 {
        return &[];
    }
    std::slice::from_raw_parts(data, len)
}

/// # Safety
/// As `slice`.
pub(crate) unsafe fn text_of(data: *const c_char, len: usize) -> String {
    String::from_utf8_lossy(slice(data.cast(), len)).into_owned()
}

macro_rules! buffer {
    ($name:ident, $raw:ident, $free:ident, $item:ty) => {
        /// Memory that the library fills, given back on drop.
        pub(crate) struct $name(sys::$raw);

        impl $name {
            pub(crate) fn new() -> Self {
                // SAFETY: three plain fields.
                $name(unsafe { zeroed() })
            }

            pub(crate) fn raw(&mut self) -> *mut sys::$raw {
                &mut self.0
            }

            pub(crate) fn to_vec(&self) -> Vec<$item> {
                // SAFETY: `data` holds `len` elements until the buffer is freed.
                unsafe { slice(self.0.data.cast::<$item>(), self.0.len) }.to_vec()
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: zeroed, or filled by the library.
                unsafe { sys::$free(&mut self.0) }
            }
        }
    };
}

buffer!(Buf, inf_buf, inf_buf_free, u8);
buffer!(Tokens, inf_tokens, inf_tokens_free, i32);
buffer!(Floats, inf_floats, inf_floats_free, f32);

impl Buf {
    pub(crate) fn to_text(&self) -> String {
        String::from_utf8_lossy(&self.to_vec()).into_owned()
    }
}
