//! Raw declarations of `inference.h`, name for name. The header is the documentation; the crate
//! `inference` is the safe interface. `tests/header.rs` holds this file against the header.
#![allow(non_camel_case_types)]

use std::marker::{PhantomData, PhantomPinned};
use std::os::raw::{c_char, c_void};

pub type inf_status = i32;
pub type inf_token = i32;

pub type inf_event_fn = unsafe extern "C" fn(user: *mut c_void, event: *const inf_event) -> i32;
pub type inf_batch_fn =
    unsafe extern "C" fn(user: *mut c_void, event: *const inf_batch_event) -> i32;
pub type inf_log_fn = unsafe extern "C" fn(
    user: *mut c_void,
    level: i32,
    part: *const c_char,
    part_len: usize,
    msg: *const c_char,
    msg_len: usize,
);

pub const INF_VERSION_MAJOR: u32 = 0;
pub const INF_VERSION_MINOR: u32 = 1;
pub const INF_VERSION_PATCH: u32 = 0;
pub const INF_VERSION_NUMBER: u32 = 100;
pub const INF_OK: i32 = 0;
pub const INF_DONE: i32 = 1;
pub const INF_E_INTERNAL: i32 = -1;
pub const INF_E_ARG: i32 = -2;
pub const INF_E_STATE: i32 = -3;
pub const INF_E_BUSY: i32 = -4;
pub const INF_E_ABI: i32 = -5;
pub const INF_E_HANDLE: i32 = -6;
pub const INF_E_LIMIT: i32 = -7;
pub const INF_E_NOT_FOUND: i32 = -10;
pub const INF_E_IO: i32 = -11;
pub const INF_E_FORMAT: i32 = -12;
pub const INF_E_UNSUPPORTED: i32 = -13;
pub const INF_E_PATH: i32 = -14;
pub const INF_E_TEMPLATE: i32 = -15;
pub const INF_E_NUMERIC: i32 = -16;
pub const INF_E_OOM_HOST: i32 = -20;
pub const INF_E_OOM_DEVICE: i32 = -21;
pub const INF_E_DEVICE: i32 = -22;
pub const INF_E_DEVICE_LOST: i32 = -23;
pub const INF_E_KERNEL_BUILD: i32 = -24;
pub const INF_E_CANCELLED: i32 = -30;
pub const INF_E_CALLBACK: i32 = -31;
pub const INF_E_CONTEXT_FULL: i32 = -40;
pub const INF_E_MISMATCH: i32 = -41;
pub const INF_DOMAIN_NONE: i32 = 0;
pub const INF_DOMAIN_ERRNO: i32 = 1;
pub const INF_DOMAIN_OPENCL: i32 = 2;
pub const INF_DOMAIN_CALLBACK: i32 = 4;
pub const INF_EVENT_PROGRESS: u32 = 1;
pub const INF_EVENT_PREFILL: u32 = 2;
pub const INF_EVENT_TOKEN: u32 = 3;
pub const INF_LOG_ERROR: i32 = 1;
pub const INF_LOG_WARNING: i32 = 2;
pub const INF_LOG_INFO: i32 = 3;
pub const INF_LOG_DEBUG: i32 = 4;
pub const INF_SCOPE_RUNTIME: u32 = 1;
pub const INF_SCOPE_MODEL: u32 = 2;
pub const INF_SCOPE_ADAPTER: u32 = 3;
pub const INF_OPTION_INT: u32 = 1;
pub const INF_OPTION_FLOAT: u32 = 2;
pub const INF_OPTION_STRING: u32 = 3;
pub const INF_DEVICE_CPU: u32 = 1;
pub const INF_DEVICE_GPU: u32 = 2;
pub const INF_DEVICE_ACCELERATOR: u32 = 3;
pub const INF_TUNE_SHOW: i32 = 1;
pub const INF_TUNE_MEASURE: i32 = 2;
pub const INF_TUNE_RESET: i32 = 3;
pub const INF_NO_LIMIT: u64 = u64::MAX;
pub const INF_ADD_SPECIAL: u32 = 1;
pub const INF_PARSE_SPECIAL: u32 = 2;
pub const INF_SKIP_SPECIAL: u32 = 4;
pub const INF_SPECIAL_BOS: u32 = 1;
pub const INF_SPECIAL_EOS: u32 = 2;
pub const INF_ADD_GENERATION_PROMPT: u32 = 1;
pub const INF_CONTINUE_FINAL_MESSAGE: u32 = 2;
pub const INF_SAMPLING_IGNORE_END: u32 = 1;
pub const INF_FILTER_TOP_P: u32 = 1;
pub const INF_FILTER_MIN_P: u32 = 2;
pub const INF_FILTER_TOP_K: u32 = 3;
pub const INF_FILTER_TYPICAL: u32 = 4;
pub const INF_FILTER_TEMPERATURE: u32 = 5;
pub const INF_LOGPROBS_GENERATED: u32 = 1;
pub const INF_LOGPROBS_PROMPT: u32 = 2;
pub const INF_OVERFLOW_ERROR: u32 = 0;
pub const INF_OVERFLOW_SLIDE: u32 = 1;
pub const INF_OVERFLOW_KEEP_HEAD: u32 = 2;
pub const INF_FINISH_NONE: u32 = 0;
pub const INF_FINISH_END: u32 = 1;
pub const INF_FINISH_LENGTH: u32 = 2;
pub const INF_FINISH_CONTEXT_FULL: u32 = 3;
pub const INF_FINISH_STOPPED: u32 = 4;
pub const INF_FINISH_CANCELLED: u32 = 5;
pub const INF_FINISH_ERROR: u32 = 6;
pub const INF_FINISH_STOP_STRING: u32 = 7;
pub const INF_FINISH_STOP_TOKEN: u32 = 8;

macro_rules! opaque {
    ($($name:ident)*) => {
        $(
            #[repr(C)]
            pub struct $name {
                _data: [u8; 0],
                _marker: PhantomData<(*mut u8, PhantomPinned)>,
            }
        )*
    };
}

opaque! {
    inf_config
    inf_runtime
    inf_cancel
    inf_model_list
    inf_model
    inf_adapter
    inf_tokenizer
    inf_detok
    inf_chat
    inf_session
    inf_request
    inf_gen
    inf_batch
    inf_inputs
    inf_items
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct inf_error {
    pub struct_size: u32,
    pub status: i32,
    pub domain: i32,
    pub sub: i32,
    pub msg_len: u32,
    pub reserved: u32,
    pub msg: [c_char; 1000],
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct inf_buf {
    pub data: *mut c_char,
    pub len: usize,
    pub cap: usize,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct inf_tokens {
    pub data: *mut inf_token,
    pub len: usize,
    pub cap: usize,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct inf_floats {
    pub data: *mut f32,
    pub len: usize,
    pub cap: usize,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct inf_event {
    pub struct_size: u32,
    pub kind: u32,
    pub token: inf_token,
    pub reserved: u32,
    pub pos: u64,
    pub step: u64,
    pub total: u64,
    pub text: *const c_char,
    pub text_len: u64,
    pub logprob: f64,
    pub ids: *const inf_token,
    pub logprobs: *const f64,
    pub ids_len: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct inf_option_desc {
    pub struct_size: u32,
    pub type_: u32,
    pub key: *const c_char,
    pub default_text: *const c_char,
    pub help: *const c_char,
    pub min: f64,
    pub max: f64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct inf_device_desc {
    pub struct_size: u32,
    pub type_: u32,
    pub name: *const c_char,
    pub vendor: *const c_char,
    pub driver: *const c_char,
    pub memory_bytes: u64,
    pub max_alloc_bytes: u64,
    pub compute_units: u32,
    pub is_default: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct inf_memory_desc {
    pub struct_size: u32,
    pub reserved: u32,
    pub active_bytes: u64,
    pub cached_bytes: u64,
    pub peak_bytes: u64,
    pub limit_bytes: u64,
    pub cache_limit_bytes: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct inf_model_entry {
    pub struct_size: u32,
    pub loadable: u32,
    pub path: *const c_char,
    pub format: *const c_char,
    pub architecture: *const c_char,
    pub quantization: *const c_char,
    pub reason: *const c_char,
    pub bytes: u64,
    pub file_count: u32,
    pub quant_bits: u32,
    pub quant_group: u32,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct inf_fit_desc {
    pub struct_size: u32,
    pub fits: u32,
    pub device: u32,
    pub context_length: u32,
    pub weight_bytes: u64,
    pub kv_bytes_per_token: u64,
    pub kv_bytes: u64,
    pub scratch_bytes: u64,
    pub wanted_bytes: u64,
    pub active_bytes: u64,
    pub limit_bytes: u64,
    pub missing_bytes: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct inf_adapter_desc {
    pub struct_size: u32,
    pub layers: u32,
    pub modules: u32,
    pub max_rank: u32,
    pub format: *const c_char,
    pub path: *const c_char,
    pub hash: *const c_char,
    pub parameters: u64,
    pub bytes: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct inf_model_desc {
    pub struct_size: u32,
    pub device: u32,
    pub architecture: *const c_char,
    pub format: *const c_char,
    pub quantization: *const c_char,
    pub path: *const c_char,
    pub parameters: u64,
    pub weight_bytes: u64,
    pub decode_bytes_per_token: u64,
    pub kv_bytes_per_token: u64,
    pub vocab_size: u32,
    pub num_layers: u32,
    pub hidden_size: u32,
    pub num_attention_heads: u32,
    pub num_key_value_heads: u32,
    pub head_dim: u32,
    pub intermediate_size: u32,
    pub context_length: u32,
    pub quant_bits: u32,
    pub quant_group: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct inf_batch_options {
    pub struct_size: u32,
    pub slots: u32,
    pub step_tokens: u32,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct inf_batch_event {
    pub struct_size: u32,
    pub status: i32,
    pub id: u64,
    pub event: *const inf_event,
    pub result: *const inf_result,
    pub message: *const c_char,
    pub message_len: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct inf_session_options {
    pub struct_size: u32,
    pub reserved: u32,
    pub capacity: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct inf_sampling {
    pub struct_size: u32,
    pub flags: u32,
    pub max_tokens: i32,
    pub top_k: i32,
    pub temperature: f32,
    pub top_p: f32,
    pub min_p: f32,
    pub repeat_penalty: f32,
    pub seed: u64,
    pub typical_p: f32,
    pub frequency_penalty: f32,
    pub presence_penalty: f32,
    pub penalty_window: i32,
    pub order: [u8; 8],
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct inf_result {
    pub struct_size: u32,
    pub finish: u32,
    pub prompt_tokens: u64,
    pub cached_tokens: u64,
    pub generated_tokens: u64,
    pub prefill_ns: u64,
    pub decode_ns: u64,
    pub total_ns: u64,
    pub active_bytes: u64,
    pub peak_bytes: u64,
    pub prefill_tok_s: f64,
    pub decode_tok_s: f64,
    pub dropped_tokens: u64,
    pub overflows: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct inf_score_desc {
    pub struct_size: u32,
    pub is_greedy: u32,
    pub tokens: u64,
    pub cached_tokens: u64,
    pub total_logprob: f64,
}

pub const INF_TAIL_NONE: u32 = 0;
pub const INF_TAIL_VANISHES: u32 = 1;
pub const INF_TAIL_SOME: u32 = 2;

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct inf_next_desc {
    pub struct_size: u32,
    pub tail: u32,
    pub tail_logprob: f64,
    pub entropy: f64,
    pub vocab_size: u64,
    pub cached_tokens: u64,
}

pub const INF_CLASSIFY_LOGITS: u32 = 1;

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct inf_class_desc {
    pub struct_size: u32,
    pub token: inf_token,
    pub label: i32,
    pub reserved: u32,
    pub tokens: u64,
}

pub const INF_POOL_MEAN: u32 = 0;
pub const INF_POOL_LAST: u32 = 1;
pub const INF_POOL_FIRST: u32 = 2;
pub const INF_EMBED_RAW: u32 = 1;

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct inf_embed_options {
    pub struct_size: u32,
    pub flags: u32,
    pub pooling: u32,
    pub layer: u32,
    pub request: *const inf_request,
}

pub const INF_DIFF_LAST: u32 = 1;

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct inf_diff_options {
    pub struct_size: u32,
    pub flags: u32,
    pub top_k: u32,
    pub reserved: u32,
    pub window: u64,
    pub overlap: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct inf_diff_desc {
    pub struct_size: u32,
    pub reserved: u32,
    pub tokens: u64,
    pub positions: u64,
    pub base_logprob: f64,
    pub adapted_logprob: f64,
    pub mean_kl: f64,
    pub mean_kl_reverse: f64,
    pub mean_js: f64,
    pub max_kl: f64,
    pub max_js: f64,
}

pub const INF_DIFF_BASE: u32 = 0;
pub const INF_DIFF_ADAPTED: u32 = 1;
pub const INF_DIFF_KL: u32 = 2;
pub const INF_DIFF_KL_REVERSE: u32 = 3;
pub const INF_DIFF_JS: u32 = 4;
pub const INF_DIFF_COLUMNS: u32 = 5;

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct inf_metrics {
    pub struct_size: u32,
    pub reserved: u32,
    pub requests: u64,
    pub prompt_tokens: u64,
    pub generated_tokens: u64,
    pub prefill_ns: u64,
    pub decode_ns: u64,
    pub kv_bytes: u64,
    pub cancelled: u64,
    pub failed: u64,
    pub cached_tokens: u64,
    pub total_ns: u64,
    pub active_bytes: u64,
    pub peak_bytes: u64,
    pub prefill_tok_s: f64,
    pub decode_tok_s: f64,
}

extern "C" {
    pub fn inf_version_number() -> u32;
    pub fn inf_version_string() -> *const c_char;
    pub fn inf_abi_number() -> u32;
    pub fn inf_check_abi(header_version: u32, err: *mut inf_error) -> inf_status;
    pub fn inf_has_feature(name: *const c_char, name_len: usize) -> i32;
    pub fn inf_build_info(json: *mut inf_buf, err: *mut inf_error) -> inf_status;
    pub fn inf_status_name(status: inf_status) -> *const c_char;
    pub fn inf_buf_free(buf: *mut inf_buf);
    pub fn inf_tokens_free(tokens: *mut inf_tokens);
    pub fn inf_floats_free(floats: *mut inf_floats);
    pub fn inf_option_count(scope: u32) -> u32;
    pub fn inf_option_info(
        scope: u32,
        index: u32,
        out: *mut inf_option_desc,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_config_new(out: *mut *mut inf_config, err: *mut inf_error) -> inf_status;
    pub fn inf_config_free(config: *mut inf_config);
    pub fn inf_config_set_i64(
        config: *mut inf_config,
        key: *const c_char,
        key_len: usize,
        value: i64,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_config_set_f64(
        config: *mut inf_config,
        key: *const c_char,
        key_len: usize,
        value: f64,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_config_set_str(
        config: *mut inf_config,
        key: *const c_char,
        key_len: usize,
        value: *const c_char,
        value_len: usize,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_runtime_new(
        config: *const inf_config,
        log: Option<inf_log_fn>,
        user: *mut c_void,
        user_free: Option<unsafe extern "C" fn(user: *mut c_void)>,
        out: *mut *mut inf_runtime,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_runtime_free(runtime: *mut inf_runtime);
    pub fn inf_runtime_set_log_level(
        runtime: *mut inf_runtime,
        level: i32,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_device_count(runtime: *const inf_runtime) -> u32;
    pub fn inf_device_info(
        runtime: *const inf_runtime,
        device: u32,
        out: *mut inf_device_desc,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_device_read_bandwidth(
        runtime: *mut inf_runtime,
        device: u32,
        bytes: u64,
        gb_s: *mut f64,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_device_gemm_rate(
        runtime: *mut inf_runtime,
        device: u32,
        gflop_s: *mut f64,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_device_tune(
        runtime: *mut inf_runtime,
        device: u32,
        action: i32,
        json: *mut inf_buf,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_profile_start(
        runtime: *mut inf_runtime,
        device: u32,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_profile_stop(
        runtime: *mut inf_runtime,
        device: u32,
        json: *mut inf_buf,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_memory_info(
        runtime: *const inf_runtime,
        device: u32,
        out: *mut inf_memory_desc,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_memory_set_limit(
        runtime: *mut inf_runtime,
        device: u32,
        bytes: u64,
        old: *mut u64,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_memory_set_cache_limit(
        runtime: *mut inf_runtime,
        device: u32,
        bytes: u64,
        old: *mut u64,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_memory_reset_peak(
        runtime: *mut inf_runtime,
        device: u32,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_memory_trim(
        runtime: *mut inf_runtime,
        device: u32,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_cancel_new(out: *mut *mut inf_cancel, err: *mut inf_error) -> inf_status;
    pub fn inf_cancel_trigger(cancel: *mut inf_cancel);
    pub fn inf_cancel_reset(cancel: *mut inf_cancel);
    pub fn inf_cancel_is_set(cancel: *const inf_cancel) -> i32;
    pub fn inf_cancel_free(cancel: *mut inf_cancel);
    pub fn inf_discover(
        runtime: *const inf_runtime,
        dir: *const c_char,
        dir_len: usize,
        config: *const inf_config,
        out: *mut *mut inf_model_list,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_model_list_count(list: *const inf_model_list) -> u32;
    pub fn inf_model_list_get(
        list: *const inf_model_list,
        index: u32,
        out: *mut inf_model_entry,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_model_list_free(list: *mut inf_model_list);
    pub fn inf_model_estimate(
        runtime: *const inf_runtime,
        path: *const c_char,
        path_len: usize,
        config: *const inf_config,
        out: *mut inf_fit_desc,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_adapter_load(
        model: *mut inf_model,
        path: *const c_char,
        path_len: usize,
        config: *const inf_config,
        cancel: *mut inf_cancel,
        out: *mut *mut inf_adapter,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_adapter_null(
        like: *const inf_adapter,
        seed: u64,
        init_scale: f64,
        rank_scale: f64,
        out: *mut *mut inf_adapter,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_adapter_free(adapter: *mut inf_adapter);
    pub fn inf_adapter_info(
        adapter: *const inf_adapter,
        out: *mut inf_adapter_desc,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_adapter_merge(
        path: *const c_char,
        path_len: usize,
        adapter_path: *const c_char,
        adapter_path_len: usize,
        scale: f32,
        out_path: *const c_char,
        out_path_len: usize,
        config: *const inf_config,
        cancel: *mut inf_cancel,
        progress: Option<inf_event_fn>,
        user: *mut c_void,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_quantize(
        path: *const c_char,
        path_len: usize,
        out_path: *const c_char,
        out_path_len: usize,
        bits: u32,
        group: u32,
        config: *const inf_config,
        cancel: *mut inf_cancel,
        progress: Option<inf_event_fn>,
        user: *mut c_void,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_model_load(
        runtime: *mut inf_runtime,
        path: *const c_char,
        path_len: usize,
        config: *const inf_config,
        cancel: *mut inf_cancel,
        progress: Option<inf_event_fn>,
        user: *mut c_void,
        out: *mut *mut inf_model,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_model_free(model: *mut inf_model);
    pub fn inf_model_info(
        model: *const inf_model,
        out: *mut inf_model_desc,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_tokenizer_load(
        path: *const c_char,
        path_len: usize,
        config: *const inf_config,
        out: *mut *mut inf_tokenizer,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_model_tokenizer(
        model: *const inf_model,
        out: *mut *mut inf_tokenizer,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_tokenizer_free(tokenizer: *mut inf_tokenizer);
    pub fn inf_tokenize(
        tokenizer: *const inf_tokenizer,
        text: *const c_char,
        text_len: usize,
        flags: u32,
        out: *mut inf_tokens,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_detokenize(
        tokenizer: *const inf_tokenizer,
        ids: *const inf_token,
        n: usize,
        flags: u32,
        out: *mut inf_buf,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_token_bytes(
        tokenizer: *const inf_tokenizer,
        id: inf_token,
        out: *mut inf_buf,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_special_token(tokenizer: *const inf_tokenizer, which: u32) -> inf_token;
    pub fn inf_token_is_end(tokenizer: *const inf_tokenizer, id: inf_token) -> i32;
    pub fn inf_vocab_size(tokenizer: *const inf_tokenizer) -> u32;
    pub fn inf_detok_new(
        tokenizer: *const inf_tokenizer,
        flags: u32,
        out: *mut *mut inf_detok,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_detok_push(
        detok: *mut inf_detok,
        id: inf_token,
        out: *mut inf_buf,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_detok_flush(
        detok: *mut inf_detok,
        out: *mut inf_buf,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_detok_free(detok: *mut inf_detok);
    pub fn inf_chat_new(
        tokenizer: *const inf_tokenizer,
        out: *mut *mut inf_chat,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_chat_free(chat: *mut inf_chat);
    pub fn inf_chat_add(
        chat: *mut inf_chat,
        role: *const c_char,
        role_len: usize,
        text: *const c_char,
        text_len: usize,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_chat_add_json(
        chat: *mut inf_chat,
        json: *const c_char,
        json_len: usize,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_chat_set_variables_json(
        chat: *mut inf_chat,
        json: *const c_char,
        json_len: usize,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_chat_set_template(
        chat: *mut inf_chat,
        text: *const c_char,
        text_len: usize,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_chat_clear(chat: *mut inf_chat, err: *mut inf_error) -> inf_status;
    pub fn inf_chat_render(
        chat: *const inf_chat,
        flags: u32,
        text: *mut inf_buf,
        ids: *mut inf_tokens,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_session_new(
        model: *mut inf_model,
        options: *const inf_session_options,
        out: *mut *mut inf_session,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_session_free(session: *mut inf_session);
    pub fn inf_session_length(session: *const inf_session) -> u64;
    pub fn inf_session_capacity(session: *const inf_session) -> u64;
    pub fn inf_session_tokens(
        session: *const inf_session,
        out: *mut inf_tokens,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_session_reset(session: *mut inf_session, err: *mut inf_error) -> inf_status;
    pub fn inf_session_truncate(
        session: *mut inf_session,
        length: u64,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_session_fork(
        session: *const inf_session,
        out: *mut *mut inf_session,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_session_save(
        session: *const inf_session,
        out: *mut inf_buf,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_session_load(
        session: *mut inf_session,
        data: *const c_void,
        n: usize,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_session_save_file(
        session: *const inf_session,
        path: *const c_char,
        path_len: usize,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_session_load_file(
        session: *mut inf_session,
        path: *const c_char,
        path_len: usize,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_session_set_adapters(
        session: *mut inf_session,
        adapters: *const *const inf_adapter,
        scales: *const f32,
        n: usize,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_session_logits(
        session: *mut inf_session,
        ids: *const inf_token,
        n: usize,
        cancel: *mut inf_cancel,
        out: *mut inf_floats,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_score(
        session: *mut inf_session,
        context: *const inf_token,
        n_context: usize,
        continuation: *const inf_token,
        n_continuation: usize,
        cancel: *mut inf_cancel,
        out: *mut inf_score_desc,
        per_token: *mut inf_floats,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_score_text(
        session: *mut inf_session,
        prompt: *const c_char,
        prompt_len: usize,
        completion: *const c_char,
        completion_len: usize,
        cancel: *mut inf_cancel,
        out: *mut inf_score_desc,
        ids: *mut inf_tokens,
        per_token: *mut inf_floats,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_score_rolling(
        session: *mut inf_session,
        ids: *const inf_token,
        n: usize,
        window: u64,
        overlap: u64,
        cancel: *mut inf_cancel,
        fn_: Option<inf_event_fn>,
        user: *mut c_void,
        out: *mut inf_score_desc,
        per_token: *mut inf_floats,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_next_top(
        session: *mut inf_session,
        context: *const inf_token,
        n: usize,
        top_k: u64,
        cancel: *mut inf_cancel,
        ids: *mut inf_tokens,
        logprobs: *mut inf_floats,
        out: *mut inf_next_desc,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_inputs_new(out: *mut *mut inf_inputs, err: *mut inf_error) -> inf_status;
    pub fn inf_inputs_free(inputs: *mut inf_inputs);
    pub fn inf_inputs_add_text(
        inputs: *mut inf_inputs,
        text: *const c_char,
        text_len: usize,
        flags: u32,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_inputs_add_tokens(
        inputs: *mut inf_inputs,
        ids: *const inf_token,
        n: usize,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_items_count(items: *const inf_items) -> u64;
    pub fn inf_items_free(items: *mut inf_items);
    pub fn inf_score_many(
        session: *mut inf_session,
        contexts: *const inf_inputs,
        continuations: *const inf_inputs,
        cancel: *mut inf_cancel,
        out: *mut *mut inf_items,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_items_score(
        items: *const inf_items,
        index: u64,
        out: *mut inf_score_desc,
        ids: *mut inf_tokens,
        per_token: *mut inf_floats,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_next_many(
        session: *mut inf_session,
        contexts: *const inf_inputs,
        top_k: u64,
        cancel: *mut inf_cancel,
        out: *mut *mut inf_items,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_items_next(
        items: *const inf_items,
        index: u64,
        ids: *mut inf_tokens,
        logprobs: *mut inf_floats,
        out: *mut inf_next_desc,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_classify(
        model: *mut inf_model,
        prompts: *const inf_inputs,
        labels: *const inf_inputs,
        request: *const inf_request,
        flags: u32,
        cancel: *mut inf_cancel,
        out: *mut *mut inf_items,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_items_class(
        items: *const inf_items,
        index: u64,
        out: *mut inf_class_desc,
        text: *mut inf_buf,
        values: *mut inf_floats,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_embed(
        model: *mut inf_model,
        texts: *const inf_inputs,
        options: *const inf_embed_options,
        cancel: *mut inf_cancel,
        out: *mut *mut inf_items,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_items_vector(
        items: *const inf_items,
        index: u64,
        out: *mut inf_floats,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_diff(
        model: *mut inf_model,
        texts: *const inf_inputs,
        base: *const inf_request,
        adapted: *const inf_request,
        options: *const inf_diff_options,
        cancel: *mut inf_cancel,
        out: *mut *mut inf_items,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_items_diff(
        items: *const inf_items,
        index: u64,
        out: *mut inf_diff_desc,
        ids: *mut inf_tokens,
        values: *mut inf_floats,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_items_moved(
        items: *const inf_items,
        index: u64,
        position: u64,
        ids: *mut inf_tokens,
        logprobs: *mut inf_floats,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_sampling_init(sampling: *mut inf_sampling);
    pub fn inf_request_new(out: *mut *mut inf_request, err: *mut inf_error) -> inf_status;
    pub fn inf_request_free(request: *mut inf_request);
    pub fn inf_request_set_text(
        request: *mut inf_request,
        text: *const c_char,
        text_len: usize,
        flags: u32,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_request_set_tokens(
        request: *mut inf_request,
        ids: *const inf_token,
        n: usize,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_request_set_chat(
        request: *mut inf_request,
        chat: *const inf_chat,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_request_set_sampling(
        request: *mut inf_request,
        sampling: *const inf_sampling,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_request_set_adapters(
        request: *mut inf_request,
        adapters: *const *const inf_adapter,
        scales: *const f32,
        n: usize,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_request_set_cancel(
        request: *mut inf_request,
        cancel: *mut inf_cancel,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_request_add_stop(
        request: *mut inf_request,
        text: *const c_char,
        text_len: usize,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_request_add_stop_token(
        request: *mut inf_request,
        id: inf_token,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_request_clear_stops(request: *mut inf_request, err: *mut inf_error) -> inf_status;
    pub fn inf_request_add_bias(
        request: *mut inf_request,
        id: inf_token,
        bias: f32,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_request_clear_bias(request: *mut inf_request, err: *mut inf_error) -> inf_status;
    pub fn inf_request_set_logprobs(
        request: *mut inf_request,
        flags: u32,
        top: u32,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_request_set_overflow(
        request: *mut inf_request,
        policy: u32,
        keep_head: u64,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_finish_name(finish: u32) -> *const c_char;
    pub fn inf_generate(
        session: *mut inf_session,
        request: *const inf_request,
        fn_: Option<inf_event_fn>,
        user: *mut c_void,
        out: *mut inf_result,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_gen_start(
        session: *mut inf_session,
        request: *const inf_request,
        out: *mut *mut inf_gen,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_gen_next(
        gen: *mut inf_gen,
        event: *mut *const inf_event,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_gen_result(
        gen: *const inf_gen,
        out: *mut inf_result,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_gen_free(gen: *mut inf_gen);
    pub fn inf_batch_new(
        model: *mut inf_model,
        options: *const inf_batch_options,
        out: *mut *mut inf_batch,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_batch_free(batch: *mut inf_batch);
    pub fn inf_batch_add(
        batch: *mut inf_batch,
        session: *mut inf_session,
        request: *const inf_request,
        id: *mut u64,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_batch_remove(batch: *mut inf_batch, id: u64, err: *mut inf_error) -> inf_status;
    pub fn inf_batch_next(
        batch: *mut inf_batch,
        event: *mut *const inf_batch_event,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_batch_run(
        batch: *mut inf_batch,
        fn_: Option<inf_batch_fn>,
        user: *mut c_void,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_session_metrics(
        session: *const inf_session,
        out: *mut inf_metrics,
        err: *mut inf_error,
    ) -> inf_status;
    pub fn inf_runtime_metrics(
        runtime: *const inf_runtime,
        json: *mut inf_buf,
        err: *mut inf_error,
    ) -> inf_status;
}
