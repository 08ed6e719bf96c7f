use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use inference_sys as sys;

use crate::error::call;
use crate::raw::{self, handle};
use crate::{Config, Result, Runtime};

handle!(
    /// What a folder holds.
    ModelList, inf_model_list, inf_model_list_free, Send Sync
);

/// A checkpoint that [`Runtime::discover`] has found; its weights were not opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(missing_docs)]
pub struct FoundModel {
    /// Absolute, for [`Runtime::load_model`].
    pub path: PathBuf,
    /// "gguf" or "safetensors".
    pub format: String,
    /// Empty where it could not be read.
    pub architecture: String,
    /// "Q4_K", "BF16", ...; empty where it is not told.
    pub quantization: String,
    /// 0 = not quantised, or not told.
    pub quant_bits: u32,
    /// Weights a scale.
    pub quant_group: u32,
    /// Weight files.
    pub file_count: u32,
    /// Of the weight files.
    pub bytes: u64,
    pub loadable: bool,
    /// Why it cannot be loaded.
    pub reason: String,
}

impl Runtime {
    /// The models in `dir`: `dir` itself first, then what its direct children hold.
    pub fn discover(&self, dir: impl AsRef<Path>) -> Result<Vec<FoundModel>> {
        self.discover_with(dir, &Config::new())
    }

    /// With options: "allow_symlinks" 1 lets the files of a folder be links to anywhere.
    pub fn discover_with(&self, dir: impl AsRef<Path>, config: &Config) -> Result<Vec<FoundModel>> {
        let dir = dir.as_ref().as_os_str().as_bytes();
        let config = config.build()?;
        // SAFETY: pointers go with their lengths and handles are live, here and below.
        let list = ModelList::from_call(|out, err| unsafe {
            let (dir, len) = (dir.as_ptr().cast(), dir.len());
            sys::inf_discover(self.raw(), dir, len, config.raw(), out, err)
        })?;
        let count = unsafe { sys::inf_model_list_count(list.raw()) };
        (0..count).map(|index| list.get(index)).collect()
    }
}

impl ModelList {
    fn get(&self, index: u32) -> Result<FoundModel> {
        let mut m: sys::inf_model_entry = unsafe { raw::zeroed() };
        m.struct_size = raw::size_of::<sys::inf_model_entry>();
        call(|err| unsafe { sys::inf_model_list_get(self.raw(), index, &mut m, err) })?;
        Ok(FoundModel {
            // SAFETY: borrowed from the list, which lives.
            path: unsafe { raw::path(m.path) },
            format: unsafe { raw::text(m.format) },
            architecture: unsafe { raw::text(m.architecture) },
            quantization: unsafe { raw::text(m.quantization) },
            quant_bits: m.quant_bits,
            quant_group: m.quant_group,
            file_count: m.file_count,
            bytes: m.bytes,
            loadable: m.loadable != 0,
            reason: unsafe { raw::text(m.reason) },
        })
    }
}
