use inference_sys as sys;

use crate::error::call;
use crate::raw::handle;
use crate::Result;

/// Keyed options of a runtime or a model; the header lists them (`inf_option_info`).
#[derive(Clone, Debug, Default)]
pub struct Config(Vec<(String, Value)>);

/// The value of an option.
#[derive(Clone, Debug)]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A text.
    Text(String),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Value::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::Text(value.to_string())
    }
}

impl Config {
    /// No options: the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets an option. Keys and values are checked by the call that takes the config.
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.push((key.to_string(), value.into()));
        self
    }

    pub(crate) fn build(&self) -> Result<RawConfig> {
        // SAFETY: the handle is live, and strings go with their lengths.
        let config = RawConfig::from_call(|out, err| unsafe { sys::inf_config_new(out, err) })?;
        for (key, value) in &self.0 {
            let (c, k, n) = (config.raw(), key.as_ptr().cast(), key.len());
            call(|err| unsafe {
                match value {
                    Value::Int(v) => sys::inf_config_set_i64(c, k, n, *v, err),
                    Value::Float(v) => sys::inf_config_set_f64(c, k, n, *v, err),
                    Value::Text(v) => {
                        sys::inf_config_set_str(c, k, n, v.as_ptr().cast(), v.len(), err)
                    }
                }
            })?;
        }
        Ok(config)
    }
}

handle!(RawConfig, inf_config, inf_config_free, Send);
