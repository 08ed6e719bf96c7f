use std::sync::Arc;

use inference_sys as sys;

use crate::raw::handle;
use crate::Result;

handle!(CancelHandle, inf_cancel, inf_cancel_free, Send Sync);

/// Ends work from any thread. Sticky until [`reset`](Cancel::reset), so a cancel that comes before the
/// work is not lost. Clones are the same object.
///
/// ```
/// # let path = "../../../tests/data/golden/tiny/llama-gqa/model";
/// # let model = inference::Runtime::new()?.load_model(path)?;
/// # let mut session = model.new_session()?;
/// use inference::{Cancel, ErrorKind, GenerateOptions};
///
/// let cancel = Cancel::new()?;
/// let options = GenerateOptions::new().ignore_end().cancel(&cancel);
/// let mut tokens = session.generate("Once upon a time", &options)?;
/// tokens.next().expect("a token")?;
/// std::thread::spawn(move || cancel.trigger()).join().unwrap();
/// let error = tokens.next().unwrap().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Cancelled);
/// # Ok::<(), inference::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cancel(Arc<CancelHandle>);

impl Cancel {
    /// One that is not set.
    pub fn new() -> Result<Self> {
        // SAFETY: `out` and `err` are valid.
        let handle = CancelHandle::from_call(|out, err| unsafe { sys::inf_cancel_new(out, err) })?;
        Ok(Cancel(Arc::new(handle)))
    }

    /// Ends the work that was given this object.
    pub fn trigger(&self) {
        // SAFETY: a live handle, here and below.
        unsafe { sys::inf_cancel_trigger(self.raw()) }
    }

    /// Makes the object ready for new work.
    pub fn reset(&self) {
        unsafe { sys::inf_cancel_reset(self.raw()) }
    }

    /// Whether it was triggered.
    pub fn is_set(&self) -> bool {
        unsafe { sys::inf_cancel_is_set(self.raw()) != 0 }
    }

    pub(crate) fn raw(&self) -> *mut sys::inf_cancel {
        self.0.raw()
    }
}
