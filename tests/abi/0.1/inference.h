/* libinference: language models on any OpenCL device, through a stable C ABI.
 *
 * RULES, true of every function unless it says otherwise
 *
 *  1. Handles are opaque and reference counted inside. A child keeps its parents alive (session ->
 *     model -> runtime), so any order of inf_*_free is right. inf_*_free(NULL) does nothing. A handle
 *     that was freed, or never was one, is refused with INF_E_HANDLE.
 *  2. Functions that can fail return inf_status: 0 is success, negative an error, positive an outcome.
 *     The last argument, `inf_error* err`, may be NULL; otherwise set err->struct_size first. On
 *     failure out-arguments are untouched and there is nothing to clean up.
 *  3. Nothing aborts, exits, prints, throws or changes a signal handler. There is no thread-local state.
 *  4. Text is UTF-8 as (pointer, length) and need not end in NUL. Text that comes out holds whole code
 *     points. A NULL pointer is allowed where the length is 0.
 *  5. Structs begin with `uint32_t struct_size`, which the caller sets to sizeof (inf_*_init does it).
 *     Fields are only ever appended, and a new field's 0 means "as before". An in-struct from a newer
 *     header whose unknown fields are not 0 is refused with INF_E_ABI.
 *  6. Thread tags: [C] calls may run at the same time; [X] one call at a time on the first argument, a
 *     second one gets INF_E_BUSY; [A] any time, also inside callbacks and from other threads.
 *  7. Callbacks run on the calling thread, inside the call, with no lock held (the log callback: any
 *     thread; it must not call this library). They return 0 to go on, > 0 to stop cleanly, < 0 to
 *     abort: the call then returns INF_E_CALLBACK with the value in err->sub. They must not unwind
 *     (no exceptions, longjmp or panics through this library). What they are given is borrowed until
 *     they return. Inside one, calls on the busy object get INF_E_BUSY; [A] calls are allowed.
 *  8. A process that forks after inf_runtime_new must not use the library in the child.
 *  9. Threads that call in need 256 KiB of stack. Results do not depend on the calling thread's locale,
 *     working directory (past the opening of files) or rounding mode, which is to nearest in callbacks.
 */
#ifndef INFERENCE_H_
#define INFERENCE_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define INF_API __attribute__((visibility("default")))
#else
#define INF_API
#endif

#define INF_VERSION_MAJOR 0
#define INF_VERSION_MINOR 1
#define INF_VERSION_PATCH 0
#define INF_VERSION_NUMBER 100u /* major * 10000 + minor * 100 + patch */

/* ---- Types ------------------------------------------------------------------------------------ */

typedef int32_t inf_status;
typedef int32_t inf_token; /* a token id; negative means none */

#define INF_OK 0
#define INF_DONE 1          /* inf_gen_next: the text has ended */
#define INF_E_INTERNAL (-1) /* a defect of this library: please report the text */
#define INF_E_ARG (-2)
#define INF_E_STATE (-3)
#define INF_E_BUSY (-4)   /* the object is in a call on another thread, or in one that called you */
#define INF_E_ABI (-5)    /* header and library do not fit together */
#define INF_E_HANDLE (-6) /* not a live handle of the right type */
#define INF_E_LIMIT (-7)  /* above a documented limit */
#define INF_E_NOT_FOUND (-10)
#define INF_E_IO (-11)
#define INF_E_FORMAT (-12)      /* a file or text breaks the rules of its format */
#define INF_E_UNSUPPORTED (-13) /* well formed, but not implemented here */
#define INF_E_PATH (-14)        /* a path that is not allowed */
#define INF_E_TEMPLATE (-15)    /* chat template: syntax, limits, or its own raise_exception */
#define INF_E_NUMERIC (-16)     /* not-a-number where a number is needed */
#define INF_E_OOM_HOST (-20)
#define INF_E_OOM_DEVICE (-21)
#define INF_E_DEVICE (-22)
#define INF_E_DEVICE_LOST (-23)
#define INF_E_KERNEL_BUILD (-24)
#define INF_E_CANCELLED (-30)
#define INF_E_CALLBACK (-31)
#define INF_E_CONTEXT_FULL (-40)
#define INF_E_MISMATCH (-41)

/* Where inf_error.sub comes from. */
#define INF_DOMAIN_NONE 0
#define INF_DOMAIN_ERRNO 1
#define INF_DOMAIN_OPENCL 2
#define INF_DOMAIN_CALLBACK 4

/* Filled by a call that fails. msg is always NUL-terminated UTF-8; it names the file or object, the
 * field, the value found and what was wanted. */
typedef struct inf_error {
  uint32_t struct_size;
  int32_t status; /* INF_E_* */
  int32_t domain; /* INF_DOMAIN_* */
  int32_t sub;    /* errno, cl_int, or the value a callback returned */
  uint32_t msg_len;
  uint32_t reserved;
  char msg[1000];
} inf_error;

/* Memory that the library fills. Zero it before its first use, reuse it freely; only inf_buf_free,
 * inf_tokens_free and inf_floats_free give it back. `len` counts elements. */
typedef struct inf_buf {
  char* data; /* not NUL-terminated by contract */
  size_t len, cap;
} inf_buf;
typedef struct inf_tokens {
  inf_token* data;
  size_t len, cap;
} inf_tokens;
typedef struct inf_floats {
  float* data;
  size_t len, cap;
} inf_floats;

typedef struct inf_config inf_config;
typedef struct inf_runtime inf_runtime;
typedef struct inf_cancel inf_cancel;
typedef struct inf_model_list inf_model_list;
typedef struct inf_model inf_model;
typedef struct inf_adapter inf_adapter;
typedef struct inf_tokenizer inf_tokenizer;
typedef struct inf_detok inf_detok;
typedef struct inf_chat inf_chat;
typedef struct inf_session inf_session;
typedef struct inf_request inf_request;
typedef struct inf_gen inf_gen;
typedef struct inf_batch inf_batch;
typedef struct inf_inputs inf_inputs;
typedef struct inf_items inf_items;

#define INF_EVENT_PROGRESS 1 /* loading: step of total, in bytes; text says what is being done */
#define INF_EVENT_PREFILL 2  /* step of total prompt tokens are in the cache; after an overflow, of what is left */
#define INF_EVENT_TOKEN 3    /* token, pos, text */

typedef struct inf_event {
  uint32_t struct_size;
  uint32_t kind; /* INF_EVENT_* */
  inf_token token;
  uint32_t reserved;
  uint64_t pos;   /* position of `token` in the session */
  uint64_t step;  /* done so far */
  uint64_t total; /* of this many; 0 = not known */
  const char* text; /* whole code points; may be empty while one is incomplete, or held back: it could
                     * be the beginning of a stop string */
  uint64_t text_len;
  /* Where the request wants them (inf_request_set_logprobs), natural logarithms; else 0 and NULL. */
  double logprob;         /* TOKEN: of `token` */
  const inf_token* ids;   /* TOKEN: the likeliest ids in its place, descending, lower ids first on a tie.
                           * PREFILL: the prompt's tokens that are in the cache since the last event */
  const double* logprobs; /* of each of `ids`; NaN for a token with none before it */
  uint64_t ids_len;       /* how many of both */
} inf_event;

/* 0 = go on, > 0 = stop cleanly, < 0 = abort with INF_E_CALLBACK. */
typedef int32_t (*inf_event_fn)(void* user, const inf_event* event);

#define INF_LOG_ERROR 1
#define INF_LOG_WARNING 2
#define INF_LOG_INFO 3
#define INF_LOG_DEBUG 4
typedef void (*inf_log_fn)(void* user, int32_t level, const char* part, size_t part_len,
                           const char* msg, size_t msg_len);

/* ---- Version and features [A] ----------------------------------------------------------------- */

INF_API uint32_t inf_version_number(void);
INF_API const char* inf_version_string(void); /* static, "0.1.0" */
INF_API uint32_t inf_abi_number(void);        /* changes when the SONAME does */

/* INF_OK when this library can serve a program compiled with `header_version` (pass
 * INF_VERSION_NUMBER); else INF_E_ABI, with a text that says which of the two is too old. */
INF_API inf_status inf_check_abi(uint32_t header_version, inf_error* err);

/* 1 when the library has the feature, else 0. Features: "opencl", "gguf", "safetensors",
 * "model.llama", "model.gemma3", "chat", "sampling". */
INF_API int32_t inf_has_feature(const char* name, size_t name_len);

/* Version, ABI number, features, compiler and build type as a JSON object. */
INF_API inf_status inf_build_info(inf_buf* json, inf_error* err);

INF_API const char* inf_status_name(inf_status status); /* static, "FORMAT"; "UNKNOWN" for others */

INF_API void inf_buf_free(inf_buf* buf);
INF_API void inf_tokens_free(inf_tokens* tokens);
INF_API void inf_floats_free(inf_floats* floats);

/* ---- Config: keyed options [X] ------------------------------------------------------------------ */

#define INF_SCOPE_RUNTIME 1
#define INF_SCOPE_MODEL 2
#define INF_SCOPE_ADAPTER 3
#define INF_OPTION_INT 1
#define INF_OPTION_FLOAT 2
#define INF_OPTION_STRING 3

typedef struct inf_option_desc {
  uint32_t struct_size;
  uint32_t type;             /* INF_OPTION_* */
  const char* key;           /* static strings */
  const char* default_text;
  const char* help;
  double min, max;           /* numbers only */
} inf_option_desc;

/* How many options a scope has, and what each is: key, type, range, default, help. [A] */
INF_API uint32_t inf_option_count(uint32_t scope);
INF_API inf_status inf_option_info(uint32_t scope, uint32_t index, inf_option_desc* out,
                                   inf_error* err);

INF_API inf_status inf_config_new(inf_config** out, inf_error* err);
INF_API void inf_config_free(inf_config* config);
/* INF_E_NOT_FOUND for a key that no scope has, INF_E_ARG for a value of the wrong type or out of range
 * (the text gives the range, or the words that a string may be). A config may hold keys of all scopes;
 * each call takes its own. */
INF_API inf_status inf_config_set_i64(inf_config* config, const char* key, size_t key_len,
                                      int64_t value, inf_error* err);
INF_API inf_status inf_config_set_f64(inf_config* config, const char* key, size_t key_len,
                                      double value, inf_error* err);
INF_API inf_status inf_config_set_str(inf_config* config, const char* key, size_t key_len,
                                      const char* value, size_t value_len, inf_error* err);

/* ---- Runtime, log, devices, memory --------------------------------------------------------------- */

/* A runtime owns the devices, their memory budgets and the kernel cache. Several may coexist. Cheap:
 * devices are looked for, none is opened. Succeeds on a machine without any device: then
 * inf_device_count is 0 and inf_model_load says why.
 *   config     NULL for defaults; copied
 *   log        NULL for silence. Called from any thread; must not call this library
 *   user_free  called with `user` once the runtime and all its children are gone; may be NULL. Not
 *              called when this function fails */
INF_API inf_status inf_runtime_new(const inf_config* config, inf_log_fn log, void* user,
                                   void (*user_free)(void* user), inf_runtime** out,
                                   inf_error* err);
INF_API void inf_runtime_free(inf_runtime* runtime);
INF_API inf_status inf_runtime_set_log_level(inf_runtime* runtime, int32_t level, inf_error* err);

#define INF_DEVICE_CPU 1
#define INF_DEVICE_GPU 2
#define INF_DEVICE_ACCELERATOR 3

typedef struct inf_device_desc {
  uint32_t struct_size;
  uint32_t type;           /* INF_DEVICE_* */
  const char* name;        /* borrowed from the runtime */
  const char* vendor;
  const char* driver;      /* platform and driver version */
  uint64_t memory_bytes;   /* as the device reports it */
  uint64_t max_alloc_bytes;
  uint32_t compute_units;
  uint32_t is_default;     /* 1 for the device that is used when none is named */
} inf_device_desc;

/* Devices in a fixed order. [C] */
INF_API uint32_t inf_device_count(const inf_runtime* runtime);
INF_API inf_status inf_device_info(const inf_runtime* runtime, uint32_t device, inf_device_desc* out,
                                   inf_error* err);

/* Reads a buffer of `bytes` bytes several times with a kernel that does nothing else; *gb_s is the
 * best rate in 10^9 bytes a second. Take a buffer far larger than the caches. [C] */
INF_API inf_status inf_device_read_bandwidth(inf_runtime* runtime, uint32_t device, uint64_t bytes,
                                             double* gb_s, inf_error* err);

/* Multiplies small float32 matrices that stay in the nearest cache, several times, with a kernel that
 * does nothing else; *gflop_s is the best rate in 10^9 operations a second, a multiplication and an
 * addition being two. Takes about a second. [C] */
INF_API inf_status inf_device_gemm_rate(inf_runtime* runtime, uint32_t device, double* gflop_s,
                                        inf_error* err);

#define INF_TUNE_SHOW 1    /* what is stored */
#define INF_TUNE_MEASURE 2 /* measure, and keep what was found */
#define INF_TUNE_RESET 3   /* forget what is stored */

/* Which kernels and parameters the device runs products with. They change no bit of a result, only the
 * time. MEASURE tries them against each other, which takes seconds on CPU devices and up to a few
 * minutes on others: let nothing else run; calls that use the device wait in between. It keeps a table
 * in tuning/ of the cache folder (option cache_dir), which is used whenever the device is opened by
 * this version of the library with the same driver; one with anything unexpected in it is ignored, with
 * a line in the log, and so is a candidate that the driver cannot build. Sessions that exist keep what
 * they were made with.
 *   action  one of INF_TUNE_*
 *   json    replaced by what is stored afterwards: {"path", "stored" (else: defaults follow), "format",
 *           "device", "driver", "library", "parts_per_compute_unit" (CPU devices), "matmul": [{"weights"
 *           ("blocks", "plain"), "rows_up_to", "tokens_up_to", "kernel", its sizes}]}; the first entry
 *           that holds counts
 * Errors: ARG (no such device, or action), IO (no cache folder, or it cannot be written), DEVICE,
 * KERNEL_BUILD, OOM_DEVICE: what was stored stays, and *json is as it was. [C] */
INF_API inf_status inf_device_tune(inf_runtime* runtime, uint32_t device, int32_t action,
                                   inf_buf* json, inf_error* err);

typedef struct inf_memory_desc {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t active_bytes; /* in use */
  uint64_t cached_bytes; /* given back, kept for reuse */
  uint64_t peak_bytes;   /* highest active since the start or the last reset */
  uint64_t limit_bytes;  /* of active and cached together, or INF_NO_LIMIT */
  uint64_t cache_limit_bytes; /* of cached, or INF_NO_LIMIT */
} inf_memory_desc;

#define INF_NO_LIMIT UINT64_MAX

/* Device memory of this runtime, by our own count (some drivers enforce none); a device that nothing has
 * used yet has none. Where more than three times the weights of the models on a device become active, a
 * log line of level WARNING, part "memory", says so with active_mb, model_mb and peak_mb (10^6 bytes),
 * once until it has been less again, and what is cached is given back. [C] */
INF_API inf_status inf_memory_info(const inf_runtime* runtime, uint32_t device, inf_memory_desc* out,
                                   inf_error* err);

/* Limits of one device; they open it. What is cached beyond one is given back at once, what is active
 * stays. A call that needs more is refused with INF_E_OOM_DEVICE, and a text with the bytes wanted, active
 * and allowed: a load leaves nothing behind, a session keeps its tokens and goes on once there is room.
 *   bytes  set_limit: of active and cached; 0 = what the runtime began with: the option memory_limit, else
 *          what the device has. set_cache_limit: of cached, at first 256 MiB; 0 = keep nothing
 *   old    NULL, or gets the earlier limit. Errors: ARG (no such device), DEVICE. [C] */
INF_API inf_status inf_memory_set_limit(inf_runtime* runtime, uint32_t device, uint64_t bytes,
                                        uint64_t* old, inf_error* err);
INF_API inf_status inf_memory_set_cache_limit(inf_runtime* runtime, uint32_t device, uint64_t bytes,
                                              uint64_t* old, inf_error* err);
/* peak_bytes becomes what is active now. [C] */
INF_API inf_status inf_memory_reset_peak(inf_runtime* runtime, uint32_t device, inf_error* err);
/* What is only kept for reuse goes back to the driver: cached memory, the models' prefix caches, what their
 * sessions' keys and values do not fill, recorded steps (the next ones take a little longer). [C] */
INF_API inf_status inf_memory_trim(inf_runtime* runtime, uint32_t device, inf_error* err);

/* ---- Profile: what each kernel moves, computes and takes [C] --------------------------------------- */

/* From here to inf_profile_stop every kernel launch on the device, of all models and sessions, is timed
 * by the driver's clock. Results stay the same; a decoded token, otherwise one launch on CPU devices, is
 * one launch for each kernel meanwhile, so it takes longer. Costs nothing while no profile runs. Opens
 * the device; waits for what it does. Launches that compile a kernel count its compilation with some
 * drivers: run once before. Errors: ARG (no such device), STATE where a profile runs already, DEVICE. */
INF_API inf_status inf_profile_start(inf_runtime* runtime, uint32_t device, inf_error* err);

/* Ends the profile. *json is replaced by an object {"kernels": [...]} with an entry for each kernel and
 * shape that was launched, the longest first:
 *   kernel         name of the OpenCL kernel
 *   what           the shape it worked on, for people: "Q4_1 1536x576"; "" where there is just one
 *   launches       how many
 *   ns             from start to end, nanoseconds, all launches together; so are the sums below
 *   weight_bytes   of weights that had to be read, each once a launch
 *   read_bytes     of everything else that had to be read (activations, cached keys and values)
 *   written_bytes
 *   flops          operations of the formulas; a multiplication and an addition are two
 * Bytes and operations are those that the work needs by its definition; caches, padding and repetition
 * do not change them. Attention counts what is cached; a sampler counts as greedy.
 * Errors: ARG, STATE where no profile runs, DEVICE; OOM_HOST ends the profile, too. */
INF_API inf_status inf_profile_stop(inf_runtime* runtime, uint32_t device, inf_buf* json,
                                    inf_error* err);

/* ---- Cancel [A] --------------------------------------------------------------------------------- */

/* Sticky until reset, so a cancel that comes before the work is not lost. inf_cancel_trigger is one
 * atomic store: any thread, also from a signal handler. Work ends within one token, or within some 10
 * GFLOP of a prompt (more where one product of a prefill_chunk is more), with INF_E_CANCELLED; the
 * session then holds exactly its committed tokens. Measured in a prompt of 4096 tokens, 135M parameters, 2
 * cores: 0.07 s, at most 0.1 s; 0.22 s while other processes want both cores. */
INF_API inf_status inf_cancel_new(inf_cancel** out, inf_error* err);
INF_API void inf_cancel_trigger(inf_cancel* cancel);
INF_API void inf_cancel_reset(inf_cancel* cancel);
INF_API int32_t inf_cancel_is_set(const inf_cancel* cancel);
INF_API void inf_cancel_free(inf_cancel* cancel);

/* ---- Discover: which checkpoints a folder holds [C] ---------------------------------------------- */

/* Looks at `dir` itself, then at its direct children by name. A model is a folder with config.json and
 * at least one *.safetensors, or a *.gguf file in `dir` or in one of these folders; a GGUF model in
 * several files counts once. Reads config.json, model.safetensors.index.json and GGUF headers; never
 * opens safetensors, needs no device. Counts the weight files that a load would read, and holds them to
 * its rules: they must be there, and links stay in the folder. Models that cannot be loaded are listed,
 * too, with the reason.
 *   dir     bytes as the file system wants them, without NUL
 *   config  NULL for defaults; its "allow_symlinks" is as for inf_model_load
 *   out     the list; empty where there is nothing. Free it with inf_model_list_free
 * Errors: NOT_FOUND, IO where `dir` cannot be listed. A child that cannot be is left out, and logged. */
INF_API inf_status inf_discover(const inf_runtime* runtime, const char* dir, size_t dir_len,
                                const inf_config* config, inf_model_list** out, inf_error* err);

typedef struct inf_model_entry {
  uint32_t struct_size;
  uint32_t loadable;        /* 1: nothing that was looked at speaks against loading it */
  const char* path;         /* absolute, for inf_model_load; of a split GGUF model, its first file */
  const char* format;       /* "gguf" or "safetensors" */
  const char* architecture; /* model_type or general.architecture; "" where it could not be read */
  const char* quantization; /* "Q4_K", "BF16", "4-bit affine", "GPTQ"; "" where it is not told */
  const char* reason;       /* why it cannot be loaded, as inf_model_load would say; "" if loadable */
  uint64_t bytes;           /* of the weight files */
  uint32_t file_count;      /* weight files */
  uint32_t quant_bits;      /* 0 = not quantised, or not told */
  uint32_t quant_group;     /* weights a scale; 0 = not quantised, or not told */
  uint32_t reserved;
} inf_model_entry;

INF_API uint32_t inf_model_list_count(const inf_model_list* list); /* 0 for a handle that is not one */
/* Strings are borrowed from the list. INF_E_ARG for an index that is not below the count. */
INF_API inf_status inf_model_list_get(const inf_model_list* list, uint32_t index,
                                      inf_model_entry* out, inf_error* err);
INF_API void inf_model_list_free(inf_model_list* list);

/* ---- Estimate: whether a model fits [C] ----------------------------------------------------------- */

typedef struct inf_fit_desc {
  uint32_t struct_size;
  uint32_t fits;               /* 1: wanted_bytes are left on the device */
  uint32_t device;             /* index in the runtime: that of the option "device" */
  uint32_t context_length;     /* tokens that kv_bytes are for: option n_ctx, else the model's own */
  uint64_t weight_bytes;       /* on the device, as inf_model_info reports it after a load */
  uint64_t kv_bytes_per_token; /* of the layers with full attention, in the option kv_type */
  uint64_t kv_bytes;           /* of one full session; of sliding windows what they hold while a chunk is computed */
  uint64_t scratch_bytes;      /* an upper bound: intermediates of the largest step (the option
                                * prefill_chunk), sampler, and what a growing KV cache copies from */
  uint64_t wanted_bytes;       /* weights, KV and scratch */
  uint64_t active_bytes;       /* in use on the device now */
  uint64_t limit_bytes;        /* of the device: see inf_memory_desc */
  uint64_t missing_bytes;      /* wanted_bytes less what is left; 0 where it fits */
} inf_fit_desc;

/* What inf_model_load of the same path and config, and one session of context_length tokens, would take.
 * Reads config and headers but no matrix of the weights; opens no device and compiles nothing.
 *   path    as for inf_model_load
 *   config  NULL for defaults; "device", "n_ctx", "prefill_chunk" and "allow_symlinks" are looked at
 * Errors: as inf_model_load, but for memory; a failure leaves *out as it was. */
INF_API inf_status inf_model_estimate(const inf_runtime* runtime, const char* path, size_t path_len,
                                      const inf_config* config, inf_fit_desc* out, inf_error* err);

/* ---- Model -------------------------------------------------------------------------------------- */

/* Loads a checkpoint: a GGUF file, or a folder with config.json and *.safetensors. A GGUF model in
 * several files (NAME-00001-of-00003.gguf) is loaded by its first; the others lie beside it. [C]
 *
 * Files of a folder, and the further parts of a GGUF model, are opened by one rule: a symbolic link
 * must end inside the folder, and a file may have no second hard link; else PATH, and nothing outside
 * is read. With the option "allow_symlinks" = 1 symbolic and hard links may lead anywhere: the Hugging
 * Face hub's cache links every file to ../../blobs. Only regular files are ever read.
 *   path      bytes as the file system wants them, without NUL
 *   config    NULL for defaults; the INF_SCOPE_MODEL options, "device" among them
 *   cancel    NULL or a cancel object, checked between tensors
 *   progress  NULL or a callback for INF_EVENT_PROGRESS; > 0 ends the load with CANCELLED
 * Errors: NOT_FOUND, IO, PATH, FORMAT, UNSUPPORTED, LIMIT, DEVICE (no such device), OOM_DEVICE (with
 * the bytes wanted and left), KERNEL_BUILD, CANCELLED, CALLBACK. A failed load leaves nothing behind. */
INF_API inf_status inf_model_load(inf_runtime* runtime, const char* path, size_t path_len,
                                  const inf_config* config, inf_cancel* cancel,
                                  inf_event_fn progress, void* user, inf_model** out,
                                  inf_error* err);
INF_API void inf_model_free(inf_model* model);

typedef struct inf_model_desc {
  uint32_t struct_size;
  uint32_t device;           /* index in the runtime */
  const char* architecture;  /* "llama", "gemma3"; borrowed from the model */
  const char* format;        /* "gguf" or "safetensors" */
  const char* quantization;  /* type of most of the weights: "Q4_1", "BF16", ... */
  const char* path;
  uint64_t parameters;
  uint64_t weight_bytes;            /* resident on the device */
  uint64_t decode_bytes_per_token;  /* weights read for one token of a single row */
  uint64_t kv_bytes_per_token;      /* full-attention layers only, in the option kv_type */
  uint32_t vocab_size;
  uint32_t num_layers;
  uint32_t hidden_size;
  uint32_t num_attention_heads;
  uint32_t num_key_value_heads;
  uint32_t head_dim;
  uint32_t intermediate_size;
  uint32_t context_length; /* the longest session: option n_ctx, else what the model was made for */
  uint32_t quant_bits;     /* 0 = not quantised */
  uint32_t quant_group;    /* weights a scale; 0 = not quantised */
} inf_model_desc;

/* [C] */
INF_API inf_status inf_model_info(const inf_model* model, inf_model_desc* out, inf_error* err);

/* ---- Adapter: low-rank additions to a model's linear layers [C] ------------------------------------ */

/* Loads a LoRA adapter for `model`, as PEFT, mlx-lm and go-mlx write them; nothing has to be converted
 * (docs/adapters.md). It runs beside the weights, quantised ones too, which are neither copied nor
 * changed. An adapter never changes: another version is another handle. What uses one keeps it, so that
 * it may be freed, and the next version loaded, while requests run; its memory comes back with the last.
 *   path    a folder with adapter_model.safetensors, adapters.safetensors or adapter.safetensors and
 *           adapter_config.json, or such a file beside its config; bytes without NUL
 *   config  NULL for defaults; the INF_SCOPE_ADAPTER options, and "allow_symlinks" as for inf_model_load
 *   cancel  NULL or a cancel object, checked between tensors
 *   out     free it with inf_adapter_free
 * Errors: ARG, NOT_FOUND, IO, PATH, LIMIT, FORMAT (shapes that are not the model's, too), UNSUPPORTED
 * (DoRA, biases, modules_to_save, other layers: the text names tensor or field), NUMERIC (a value that is
 * not finite), OOM_DEVICE, DEVICE, CANCELLED. A failed load leaves nothing behind. */
INF_API inf_status inf_adapter_load(inf_model* model, const char* path, size_t path_len,
                                    const inf_config* config, inf_cancel* cancel, inf_adapter** out,
                                    inf_error* err);

/* Noise in the shape of `like`: a baseline to tell what training did from what any change does. Its A and
 * B are drawn from a normal distribution of the deviation init_scale * sqrt(rank_scale), the same for the
 * same seed; ranks and scales are those of `like`. ARG where one of the two is not more than 0 (0.02 and 1
 * are usual); OOM_DEVICE, DEVICE. */
INF_API inf_status inf_adapter_null(const inf_adapter* like, uint64_t seed, double init_scale,
                                    double rank_scale, inf_adapter** out, inf_error* err);
INF_API void inf_adapter_free(inf_adapter* adapter);

typedef struct inf_adapter_desc {
  uint32_t struct_size;
  uint32_t layers;     /* blocks of the model that it has something for */
  uint32_t modules;    /* linear layers */
  uint32_t max_rank;   /* of all of them */
  const char* format;  /* "peft", "mlx-lm", "go-mlx" or "null" */
  const char* path;    /* of its tensors; "" of a null adapter */
  const char* hash;    /* 32 hex digits: the same for the same values and scales, whatever the format */
  uint64_t parameters; /* values of all A and B */
  uint64_t bytes;      /* on the device */
} inf_adapter_desc;

/* Strings are borrowed from the adapter. */
INF_API inf_status inf_adapter_info(const inf_adapter* adapter, inf_adapter_desc* out,
                                    inf_error* err);

/* Writes a copy of a model folder with an adapter in its weights, W + scale * B A, for programs that know no
 * adapters; nothing here needs it. Summed in double and rounded once to the type of W; weights keep their
 * files and types, config and tokenizer files are copied. Needs no device.
 *   path          a folder with config.json and *.safetensors that are not quantised
 *   adapter_path  as for inf_adapter_load; scale: a factor on top of its own, 1 for the adapter as trained
 *   out_path      a folder, new or empty; it appears when it is complete
 *   config        NULL for defaults; "adapter_scale" and "allow_symlinks" are looked at
 *   progress      NULL or a callback for INF_EVENT_PROGRESS in bytes; > 0 ends the work with CANCELLED
 * Errors: those of reading a model folder and an adapter; UNSUPPORTED for GGUF and quantised weights; NUMERIC
 * where a result is not finite; STATE where out_path is there and not empty; IO, CANCELLED, CALLBACK. A
 * failure leaves nothing behind. */
INF_API inf_status inf_adapter_merge(const char* path, size_t path_len, const char* adapter_path,
                                     size_t adapter_path_len, float scale, const char* out_path,
                                     size_t out_path_len, const inf_config* config,
                                     inf_cancel* cancel, inf_event_fn progress, void* user,
                                     inf_error* err);

/* ---- Quantize: a checkpoint made smaller [C] ------------------------------------------------------- */

/* Reads a folder with config.json and *.safetensors in float32, float16 or bfloat16 and writes another
 * whose matrices are quantised in groups, each with a scale and a bias: the format of MLX, with the
 * words, scales and biases that mlx_lm.convert would give. inf_model_load reads it, as does MLX.
 * Needs no device, and little memory: tensors are read and written piece by piece, on all cores.
 *   path      the folder; bytes as the file system wants them, without NUL
 *   out_path  a folder that does not exist or is empty; it appears when it is complete. Vectors and
 *             matrices whose rows are not whole groups stay as they are; a vision tower is left out
 *   bits      of a weight: 2, 3, 4, 5, 6 or 8; 0 = 4
 *   group     weights that share a scale: 32, 64 or 128; 0 = 64
 *   config    NULL for defaults; its "allow_symlinks" is as for inf_model_load
 *   cancel    NULL or a cancel object, checked every few megabytes
 *   progress  NULL or a callback for INF_EVENT_PROGRESS, in bytes read; > 0 ends the work with CANCELLED
 * Errors: ARG (bits, group, an out_path that ends in "." or ".."), STATE (out_path exists or is a mount
 * point), NOT_FOUND (path, or the folder of out_path), IO, PATH, FORMAT, UNSUPPORTED (quantised
 * already), LIMIT, NUMERIC (a weight that is not finite, here or in the type of the result),
 * CANCELLED, CALLBACK. After a failure nothing is left of what was written. */
INF_API inf_status inf_quantize(const char* path, size_t path_len, const char* out_path,
                                size_t out_path_len, uint32_t bits, uint32_t group,
                                const inf_config* config, inf_cancel* cancel, inf_event_fn progress,
                                void* user, inf_error* err);

/* ---- Tokenizer [C] -------------------------------------------------------------------------------- */

/* From a GGUF file or a folder with tokenizer.json; needs no device and reads no weights. config may be
 * NULL; its "allow_symlinks", "chat_template" and "template_effort" are as for inf_model_load. What is
 * supported: docs/tokenizers.md. A chat template that cannot be parsed fails only where it is used, unless
 * it is the option's: INF_E_TEMPLATE, or INF_E_ARG for a word that is no name.
 * Errors: NOT_FOUND, IO, PATH, FORMAT, LIMIT, and UNSUPPORTED naming the file and the part. */
INF_API inf_status inf_tokenizer_load(const char* path, size_t path_len, const inf_config* config,
                                      inf_tokenizer** out, inf_error* err);
/* The model's own. A new reference: free it. */
INF_API inf_status inf_model_tokenizer(const inf_model* model, inf_tokenizer** out, inf_error* err);
INF_API void inf_tokenizer_free(inf_tokenizer* tokenizer);

#define INF_ADD_SPECIAL 1u   /* add what the checkpoint wants around a text, such as <bos> */
#define INF_PARSE_SPECIAL 2u /* special tokens written in the text become their ids */
#define INF_SKIP_SPECIAL 4u  /* detokenising: leave special tokens out */

/* Ids of `text`; bytes that are not UTF-8 are read as U+FFFD. flags: INF_ADD_SPECIAL,
 * INF_PARSE_SPECIAL. Errors: LIMIT past 64 MiB, or where a pattern of the tokenizer needs too many
 * steps; ARG for a character without a token where there is no unknown token. `out` stays as it was. */
INF_API inf_status inf_tokenize(const inf_tokenizer* tokenizer, const char* text, size_t text_len,
                                uint32_t flags, inf_tokens* out, inf_error* err);
/* Text of `n` ids; INF_E_ARG for one that is not in the vocabulary. flags: INF_SKIP_SPECIAL. */
INF_API inf_status inf_detokenize(const inf_tokenizer* tokenizer, const inf_token* ids, size_t n,
                                  uint32_t flags, inf_buf* out, inf_error* err);
/* The bytes that a token adds in the middle of a text: they may be part of a code point. */
INF_API inf_status inf_token_bytes(const inf_tokenizer* tokenizer, inf_token id, inf_buf* out,
                                   inf_error* err);

#define INF_SPECIAL_BOS 1
#define INF_SPECIAL_EOS 2
INF_API inf_token inf_special_token(const inf_tokenizer* tokenizer, uint32_t which); /* < 0 = none */
INF_API int32_t inf_token_is_end(const inf_tokenizer* tokenizer, inf_token id); /* 1: ends a text */
INF_API uint32_t inf_vocab_size(const inf_tokenizer* tokenizer); /* 0 for a handle that is not one */

/* Streaming: ids in, whole code points out; all outputs together are what inf_detokenize gives. [X]
 * `out` is replaced, and may be empty. flags: INF_SKIP_SPECIAL. */
INF_API inf_status inf_detok_new(const inf_tokenizer* tokenizer, uint32_t flags, inf_detok** out,
                                 inf_error* err);
INF_API inf_status inf_detok_push(inf_detok* detok, inf_token id, inf_buf* out, inf_error* err);
INF_API inf_status inf_detok_flush(inf_detok* detok, inf_buf* out, inf_error* err);
INF_API void inf_detok_free(inf_detok* detok);

/* ---- Chat: messages and the checkpoint's template [X] ---------------------------------------------- */

INF_API inf_status inf_chat_new(const inf_tokenizer* tokenizer, inf_chat** out, inf_error* err);
INF_API void inf_chat_free(inf_chat* chat);
INF_API inf_status inf_chat_add(inf_chat* chat, const char* role, size_t role_len, const char* text,
                                size_t text_len, inf_error* err);
/* One message object, or an array of them: {"role": ..., "content": ...} and whatever else the
 * template reads. All or nothing. */
INF_API inf_status inf_chat_add_json(inf_chat* chat, const char* json, size_t json_len,
                                     inf_error* err);
/* An object whose keys become variables of the template ("tools", "enable_thinking", ...). */
INF_API inf_status inf_chat_set_variables_json(inf_chat* chat, const char* json, size_t json_len,
                                               inf_error* err);
/* Another template for this chat: the name of one of the checkpoint's ("default", "tool_use", ...), else
 * a built-in style, else Jinja text. Empty: back to the choice of the config option "chat_template", or,
 * without one, to the checkpoint's tool_use where the variable "tools" is set, else its default. Styles:
 * "gemma" (a system message is a user's turn), "gemma-system" (the same, as "[System: ...]", and roles
 * it does not know are left out), "chatml", "llama3", "plain". INF_E_ARG for a word that is no name,
 * INF_E_TEMPLATE for Jinja that cannot be parsed; the chat keeps what it had. */
INF_API inf_status inf_chat_set_template(inf_chat* chat, const char* text, size_t text_len,
                                         inf_error* err);
INF_API inf_status inf_chat_clear(inf_chat* chat, inf_error* err); /* messages only */

#define INF_ADD_GENERATION_PROMPT 1u  /* end with the header of the assistant's turn */
#define INF_CONTINUE_FINAL_MESSAGE 2u /* end after the last message's text, to go on with it */
/* Renders the messages as transformers' apply_chat_template does: fields that are null are left out, and
 * special tokens of the checkpoint (bos_token, ...) are variables. `text` and `ids` may each be NULL.
 * INF_E_TEMPLATE carries line, column and reason, the text of the template's own raise_exception, or
 * the limit that was passed: depth 100, 4 MiB of text, and, times the config option
 * "template_effort", 10^6 steps and 200 ms of processor time. These bound it, as it takes no cancel; a
 * request's chat is rendered under the request's cancel.
 * INF_E_STATE where the checkpoint has no template and none was set; INF_E_ARG for both flags at once
 * or a last message that has no text to continue. docs/chat_templates.md says more. */
INF_API inf_status inf_chat_render(const inf_chat* chat, uint32_t flags, inf_buf* text,
                                   inf_tokens* ids, inf_error* err);

/* ---- Session: the tokens a model has seen, with their keys and values [X] --------------------------- */

typedef struct inf_session_options {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t capacity; /* tokens at most; 0 = the model's context_length. Texts may go on past it, with a context
                      * that slides: inf_request_set_overflow */
} inf_session_options;

/* options may be NULL. Memory grows with use. Sessions of one model may be driven from different threads.
 * With the model's option "parallel_slots" above 1, calls of so many threads that wait at the same time are
 * computed in one pass over the weights, whatever they do (generate, step a generator or a batch, score): each
 * has the bits that it has alone, fails and is cancelled by itself, and none waits for calls that are not
 * there. Otherwise, and beyond that number, calls follow each other in the order in which they came.
 * What sessions compute goes into the model's prefix cache (option "prefix_cache"): a request, or a text to be
 * scored, that begins with the same 64 tokens or a multiple of them, under the same adapters and scales, does
 * not compute these again, in whichever session. Its results have the same bits either way. */
INF_API inf_status inf_session_new(inf_model* model, const inf_session_options* options,
                                   inf_session** out, inf_error* err);
INF_API void inf_session_free(inf_session* session);
INF_API uint64_t inf_session_length(const inf_session* session);   /* committed tokens */
INF_API uint64_t inf_session_capacity(const inf_session* session);
INF_API inf_status inf_session_tokens(const inf_session* session, inf_tokens* out, inf_error* err);
INF_API inf_status inf_session_reset(inf_session* session, inf_error* err);
/* Drops all but the first `length` tokens. Errors: ARG past what it holds; CONTEXT_FULL where a sliding
 * window has left what the token after them would see (the text says the shortest length that can be). The
 * session stays as it was. */
INF_API inf_status inf_session_truncate(inf_session* session, uint64_t length, inf_error* err);
/* Another session of the same model that holds the same tokens: nothing is computed or copied, memory is
 * shared until one of them goes on. Each is freed by itself. */
INF_API inf_status inf_session_fork(const inf_session* session, inf_session** out, inf_error* err);

/* What the session holds, ids and keys and values, as bytes: to go on later, here or in another process,
 * with nothing computed again. They fit a session with capacity enough whose model is of the same config,
 * weights and tokenizer and was loaded with the same kv_type, activations and n_ctx, under the same adapters
 * and scales; the device may be another one. The first call for a model reads all of its weights once.
 * Saving leaves the session as it is; loading replaces what it holds. The file appears whole, or not at all.
 * Errors of load: MISMATCH, with what is and what was wanted, wherever there is a doubt: another model,
 * tokenizer, adapter, option or version of the format, bytes that are damaged, missing or too many, values
 * that are not finite. OOM_DEVICE, IO, NOT_FOUND, PATH. The session is unchanged then. Of save: NUMERIC
 * where keys or values are not finite; IO; what was under the path stays.
 * A checksum tells damage, not forgery: whoever can write the bytes decides what the session goes on with. */
INF_API inf_status inf_session_save(const inf_session* session, inf_buf* out, inf_error* err);
INF_API inf_status inf_session_load(inf_session* session, const void* data, size_t n,
                                    inf_error* err);
INF_API inf_status inf_session_save_file(const inf_session* session, const char* path,
                                         size_t path_len, inf_error* err);
INF_API inf_status inf_session_load_file(inf_session* session, const char* path, size_t path_len,
                                         inf_error* err);

/* What the session computes under from now on: any number of adapters of its model, each with a factor on
 * top of its own scale, beside the weights. 0 is the base, 1 the adapter as it was trained, 0.5 half of it;
 * several are added up. A set is what it does: neither order nor parts that add up to the same count.
 * Where the set changes, the session is reset: what it held was computed under the other one.
 *   adapters, scales  n of each; scales may be NULL: 1 for all. n = 0: the base
 * Errors: ARG (an adapter of another model, a scale that is not finite); the session is unchanged. */
INF_API inf_status inf_session_set_adapters(inf_session* session,
                                            const inf_adapter* const* adapters, const float* scales,
                                            size_t n, inf_error* err);

/* Appends ids[n] and returns the logits after each of them: out holds [n, vocab_size] float32.
 * INF_E_CONTEXT_FULL, with nothing appended, where they do not fit. After INF_E_CANCELLED the session
 * holds the chunks that were done. */
INF_API inf_status inf_session_logits(inf_session* session, const inf_token* ids, size_t n,
                                      inf_cancel* cancel, inf_floats* out, inf_error* err);

/* ---- Request: what to generate. Read-only while in use, reusable [X] ------------------------------- */

#define INF_SAMPLING_IGNORE_END 1u /* go on after an end-of-text token */

/* Filters of inf_sampling.order. */
#define INF_FILTER_TOP_P 1
#define INF_FILTER_MIN_P 2
#define INF_FILTER_TOP_K 3
#define INF_FILTER_TYPICAL 4
#define INF_FILTER_TEMPERATURE 5

/* How the next token is chosen. The logits x of ids that were generated in this request are changed
 * first (the prompt does not count): x / repeat_penalty where x > 0, else x * repeat_penalty; then
 * - frequency_penalty * (times it was generated), then - presence_penalty; then the bias is added
 * (inf_request_add_bias). With temperature 0 the largest logit is next, the lowest id on a tie.
 * Otherwise the filters act in their order, each on softmax(x / t) of the tokens that those before it
 * have left, t being 1 until TEMPERATURE has acted and `temperature` from there on; the token is drawn
 * from what is left at the end. A filter that is not in the order does not happen. Tokens below e^-87
 * times the likeliest one are never drawn. Same request, seed and device: same text, alone or in a
 * batch. */
typedef struct inf_sampling {
  uint32_t struct_size;
  uint32_t flags;       /* INF_SAMPLING_* */
  int32_t max_tokens;   /* > 0; default 256 */
  int32_t top_k;        /* 0 = off */
  float temperature;    /* 0 = greedy (the default); at most 100 */
  float top_p;          /* 0 or 1 = off */
  float min_p;          /* 0 = off */
  float repeat_penalty; /* 0 or 1 = off; 0.01..100 */
  uint64_t seed;
  float typical_p;          /* 0 or 1 = off; keeps tokens whose surprise is nearest to the entropy, those
                             * with a mass before them <= typical_p (Meister et al. 2022) */
  float frequency_penalty;  /* 0 = off; -100..100 */
  float presence_penalty;   /* 0 = off; -100..100 */
  int32_t penalty_window;   /* penalties look at the last so many generated tokens; 0 = all */
  uint8_t order[8];         /* INF_FILTER_*, each at most once, zeros after the last; all zeros: TOP_P,
                             * MIN_P, TOP_K, TYPICAL, TEMPERATURE */
} inf_sampling;

INF_API void inf_sampling_init(inf_sampling* sampling); /* fills defaults and struct_size */

INF_API inf_status inf_request_new(inf_request** out, inf_error* err);
INF_API void inf_request_free(inf_request* request);
/* The prompt: the last of these calls wins. Text and tokens continue what the session holds. A text that
 * begins with the <bos> that INF_ADD_SPECIAL would put before it gets no second one. A chat is
 * the whole conversation: what the session already holds of it is reused, the rest of the session is
 * dropped. The chat is copied. */
INF_API inf_status inf_request_set_text(inf_request* request, const char* text, size_t text_len,
                                        uint32_t flags, inf_error* err);
INF_API inf_status inf_request_set_tokens(inf_request* request, const inf_token* ids, size_t n,
                                          inf_error* err);
INF_API inf_status inf_request_set_chat(inf_request* request, const inf_chat* chat, inf_error* err);
INF_API inf_status inf_request_set_sampling(inf_request* request, const inf_sampling* sampling,
                                            inf_error* err);
/* What the request runs under, as inf_session_set_adapters, which it does for its session when it begins;
 * without this call it runs under what its session has. Text and tokens still continue what the session
 * holds: where the set changes, that is computed again. Errors: ARG; the request is unchanged. */
INF_API inf_status inf_request_set_adapters(inf_request* request,
                                            const inf_adapter* const* adapters, const float* scales,
                                            size_t n, inf_error* err);
INF_API inf_status inf_request_set_cancel(inf_request* request, inf_cancel* cancel, inf_error* err);

/* The text ends before the first place where one of these stands, wherever tokens are cut: nothing of it
 * or after it is given in inf_event.text. Of several, the one that is complete first counts, then the
 * longest. Text that could be the beginning of one waits for what follows. The tokens of a stop string
 * have been generated: their events come, with the text that is left of them, and the session holds all
 * but the last. Finish: INF_FINISH_STOP_STRING. Errors: ARG where text is empty or not UTF-8, LIMIT past
 * 1024 strings or 64 KiB each. The request keeps what it had. */
INF_API inf_status inf_request_add_stop(inf_request* request, const char* text, size_t text_len,
                                        inf_error* err);
/* The text ends before this token, also with INF_SAMPLING_IGNORE_END; it is not given. Finish:
 * INF_FINISH_STOP_TOKEN, or INF_FINISH_END for one that ends texts anyway. Errors: ARG for a negative id,
 * LIMIT past 65536; an id that the model does not have is refused (ARG) where the request is run. */
INF_API inf_status inf_request_add_stop_token(inf_request* request, inf_token id, inf_error* err);
INF_API inf_status inf_request_clear_stops(inf_request* request, inf_error* err); /* both kinds */

/* Added to the logit of a token, after penalties: -1e6..1e6, or minus infinity, which bans it. The same
 * id again replaces what it had. Errors: ARG (id, bias), LIMIT past 2^20 ids; an id that the model does not
 * have is refused (ARG) where the request is run. inf_request_set_sampling leaves these as they are. */
INF_API inf_status inf_request_add_bias(inf_request* request, inf_token id, float bias,
                                        inf_error* err);
INF_API inf_status inf_request_clear_bias(inf_request* request, inf_error* err);

#define INF_LOGPROBS_GENERATED 1u /* of generated tokens: inf_event.logprob of INF_EVENT_TOKEN */
#define INF_LOGPROBS_PROMPT 2u    /* of the prompt's tokens, each after those before it: INF_EVENT_PREFILL */

/* Log-probabilities of the model's own distribution: of softmax(logits), before penalties, bias and
 * temperature. Computed in double from float32 logits.
 *   flags  INF_LOGPROBS_*; 0 = none. With PROMPT, what the session holds of the prompt is computed again
 *   top    so many of the likeliest tokens beside each generated one (inf_event.ids): 0..64; more than 0
 *          wants INF_LOGPROBS_GENERATED
 * Errors: ARG. */
INF_API inf_status inf_request_set_logprobs(inf_request* request, uint32_t flags, uint32_t top,
                                            inf_error* err);

#define INF_OVERFLOW_ERROR 0     /* the default: nothing is dropped */
#define INF_OVERFLOW_SLIDE 1     /* the oldest tokens go */
#define INF_OVERFLOW_KEEP_HEAD 2 /* those go that come after the first keep_head ones */

/* What happens where the context outgrows the session's capacity: what the session holds and the prompt, or these
 * and the tokens that are generated. ERROR refuses such a prompt (INF_E_CONTEXT_FULL, session unchanged) and ends
 * such a text (INF_FINISH_CONTEXT_FULL). The others drop tokens and go on, as often as it takes: then the capacity
 * bounds memory and what a token may see, not the length of a text. Of the context the head stays, and the newest
 * tokens that fill half of the room beside it, rounded up. What follows the head is computed again, so that from
 * there on all has the bits that it has in a new session given these tokens; stop strings, penalties, seed and
 * max_tokens go on as if nothing had happened. INF_EVENT_PREFILL tells of it, of what is left of prompt and text, and
 * inf_event.pos goes on from there; its time is in prefill_ns before the first token and in decode_ns after it.
 * inf_result says how many tokens were dropped, and how often. After an error or a cancel in the middle of it the
 * session holds what was computed of the tokens that are left.
 *   keep_head  with KEEP_HEAD, 1 or more; at most the session's capacity less 2, where the request is run
 *              (ARG); otherwise 0
 * Errors: ARG; the request is unchanged. Where the request is run, ARG for a session whose capacity is 1, and with
 * INF_LOGPROBS_PROMPT, which wants all of the prompt. */
INF_API inf_status inf_request_set_overflow(inf_request* request, uint32_t policy,
                                            uint64_t keep_head, inf_error* err);

/* ---- Generate ------------------------------------------------------------------------------------- */

#define INF_FINISH_NONE 0         /* not finished */
#define INF_FINISH_END 1          /* the model ended the text; its end token is not part of it */
#define INF_FINISH_LENGTH 2       /* max_tokens */
#define INF_FINISH_CONTEXT_FULL 3 /* the session's capacity; inf_request_set_overflow goes on past it */
#define INF_FINISH_STOPPED 4      /* a callback returned > 0 */
#define INF_FINISH_CANCELLED 5
#define INF_FINISH_ERROR 6
#define INF_FINISH_STOP_STRING 7 /* inf_request_add_stop */
#define INF_FINISH_STOP_TOKEN 8  /* inf_request_add_stop_token; the token is not part of the text */
INF_API const char* inf_finish_name(uint32_t finish); /* static: "end", "length", "context_full", ... */

typedef struct inf_result {
  uint32_t struct_size;
  uint32_t finish;           /* INF_FINISH_* */
  uint64_t prompt_tokens;    /* of the request */
  uint64_t cached_tokens;    /* of those, already in the session or in the model's prefix cache */
  uint64_t generated_tokens; /* token events delivered */
  uint64_t prefill_ns;       /* prompt, up to the first token */
  uint64_t decode_ns;        /* the tokens after the first */
  uint64_t total_ns;
  uint64_t active_bytes; /* device memory at the end */
  uint64_t peak_bytes;   /* its highest during the request */
  double prefill_tok_s;  /* tokens computed in the prefill time */
  double decode_tok_s;   /* (generated_tokens - 1) / decode time; 0 for fewer than two tokens */
  uint64_t dropped_tokens; /* of the context (inf_request_set_overflow) ... */
  uint64_t overflows;      /* ... in so many goes */
} inf_result;

/* Runs the request and calls fn for INF_EVENT_PREFILL and INF_EVENT_TOKEN. [X] on session and request.
 * fn may be NULL. out may be NULL; it is filled on success, and also after INF_E_CANCELLED and
 * INF_E_CALLBACK. Text that waits for the rest of a code point, or as it could be the beginning of a stop
 * string, arrives with a later token; what is left at the end comes as one last event with token = -1.
 * Errors: CONTEXT_FULL where the prompt does not fit (session unchanged), CANCELLED, CALLBACK, ARG,
 * NUMERIC (logits are not numbers, or every token is banned), DEVICE, OOM_DEVICE. The session always
 * holds exactly the tokens that were computed: the prompt and the generated tokens except the last, and
 * of these what inf_request_set_overflow has left. */
INF_API inf_status inf_generate(inf_session* session, const inf_request* request, inf_event_fn fn,
                                void* user, inf_result* out, inf_error* err);

/* The same, a step at a time. The session is busy until inf_gen_free. [X]
 * inf_gen_next returns INF_OK with *event (borrowed until the next call on `gen`), INF_DONE at the end,
 * or an error; after an error it returns the same error again. */
INF_API inf_status inf_gen_start(inf_session* session, const inf_request* request, inf_gen** out,
                                 inf_error* err);
INF_API inf_status inf_gen_next(inf_gen* gen, const inf_event** event, inf_error* err);
INF_API inf_status inf_gen_result(const inf_gen* gen, inf_result* out, inf_error* err);
INF_API void inf_gen_free(inf_gen* gen);

/* ---- Batch: several requests at once [X] ------------------------------------------------------------ */

typedef struct inf_batch_options {
  uint32_t struct_size;
  uint32_t slots;       /* requests that run at a time: 1..64; 0 = 16. The others wait their turn */
  uint32_t step_tokens; /* tokens of a step at most, prompts and generated ones; 0 = "prefill_chunk" */
  uint32_t reserved;
} inf_batch_options;

typedef struct inf_batch_event {
  uint32_t struct_size;
  int32_t status;           /* with `result`: INF_OK, or why the request failed (or was cancelled) */
  uint64_t id;              /* of the request, as inf_batch_add gave it */
  const inf_event* event;   /* INF_EVENT_PREFILL or INF_EVENT_TOKEN; NULL once the request has ended */
  const inf_result* result; /* the request has ended, this is its last event; NULL before */
  const char* message;      /* why it failed; "" */
  uint64_t message_len;
} inf_batch_event;

/* >= 0 goes on, as for inf_event_fn: > 0 stops inf_batch_run, < 0 is INF_E_CALLBACK. */
typedef int32_t (*inf_batch_fn)(void* user, const inf_batch_event* event);

/* One step computes the next token of every request that has its prompt, and beside them a part of the
 * prompts that wait: all of it in one pass over the weights. A request gives the same tokens,
 * log-probabilities and bits that it gives alone, whoever else is there. options may be NULL. Errors: ARG. */
INF_API inf_status inf_batch_new(inf_model* model, const inf_batch_options* options, inf_batch** out,
                                 inf_error* err);
INF_API void inf_batch_free(inf_batch* batch); /* requests that have not ended end without an event */

/* Joins at the next step; between any two calls of inf_batch_next.
 *   session  of the batch's model, in use (BUSY for others) until the request has ended; NULL = one of the
 *            request's own, which goes with it
 *   request  copied; its cancel object ends this request alone
 *   id       out: names it in events; never 0
 * Errors: ARG, CONTEXT_FULL, STATE (no prompt; the session is in a request already), as inf_generate. */
INF_API inf_status inf_batch_add(inf_batch* batch, inf_session* session, const inf_request* request,
                                 uint64_t* id, inf_error* err);
/* Ends a request without another event; its session holds what was computed. ARG where none of that id is
 * left. */
INF_API inf_status inf_batch_remove(inf_batch* batch, uint64_t id, inf_error* err);
/* The next event, valid until the next call on the batch; computes a step where none has come up.
 * INF_DONE where no request is left: then, and at any time before, more may be added. A request that fails
 * or is cancelled says so in its last event and the others go on; where the memory of keys and values does
 * not suffice for all, the youngest waits and begins anew. Errors of the call concern all requests
 * (INF_E_DEVICE_LOST). */
INF_API inf_status inf_batch_next(inf_batch* batch, const inf_batch_event** event, inf_error* err);
/* All of them: calls fn for every event until no request is left or fn says stop. What is left after a stop
 * or a failure can be run again. Errors: CALLBACK, and those of inf_batch_next. */
INF_API inf_status inf_batch_run(inf_batch* batch, inf_batch_fn fn, void* user, inf_error* err);

/* ---- Scoring: log-probabilities of text that is given [X] ------------------------------------------ */

/* All of these take the whole context from its first token: what the session already holds of it is
 * reused, the rest of the session is dropped, and afterwards it holds the tokens that were computed. So
 * completions of one prefix, scored one after the other, share it. Natural logarithms; sums of a
 * softmax are as good as in double. Errors of all: ARG, CONTEXT_FULL (session unchanged), CANCELLED,
 * NUMERIC (logits are not numbers), DEVICE, OOM_DEVICE; nothing is written to the outputs then. */

typedef struct inf_score_desc {
  uint32_t struct_size;
  uint32_t is_greedy;     /* 1: every token was the likeliest one (lowest id on a tie) */
  uint64_t tokens;        /* that were scored */
  uint64_t cached_tokens; /* of the context, already in the session or in the prefix cache */
  double total_logprob;
} inf_score_desc;

/* ln P(continuation | context), token by token. Neither may be empty: where there is no context, give the
 * token that begins texts (inf_special_token). per_token, which may be NULL, gets [n_continuation]. */
INF_API inf_status inf_score(inf_session* session, const inf_token* context, size_t n_context,
                             const inf_token* continuation, size_t n_continuation,
                             inf_cancel* cancel, inf_score_desc* out, inf_floats* per_token,
                             inf_error* err);

/* The same of texts. The completion's tokens are what the tokens of prompt + completion have beyond those they
 * share with the prompt's, so a token that would merge the end of the prompt and the completion counts
 * whole. The prompt begins with the checkpoint's special tokens, once (inf_request_set_text); an empty one, with its begin-of-text, or
 * where there is none, its end-of-text token. INF_E_ARG where the completion adds no token. ids, which may
 * be NULL, gets the completion's tokens. */
INF_API inf_status inf_score_text(inf_session* session, const char* prompt, size_t prompt_len,
                                  const char* completion, size_t completion_len,
                                  inf_cancel* cancel, inf_score_desc* out, inf_tokens* ids,
                                  inf_floats* per_token, inf_error* err);

/* The log-probability of every token but the first, each after those before it: per_token, which may be
 * NULL, gets [n - 1]; fewer than two tokens give nothing and a total of 0. Longer texts than `window`
 * tokens (0 = the session's capacity) are scored in windows, of which the first `overlap` tokens
 * (1..window - 1; 0 = 1) repeat the end of the window before, as context. fn, which may be NULL, hears
 * INF_EVENT_PROGRESS after each window; > 0 ends the work with CANCELLED. */
INF_API inf_status inf_score_rolling(inf_session* session, const inf_token* ids, size_t n,
                                     uint64_t window, uint64_t overlap, inf_cancel* cancel,
                                     inf_event_fn fn, void* user, inf_score_desc* out,
                                     inf_floats* per_token, inf_error* err);

#define INF_TAIL_NONE 0     /* no token is left over */
#define INF_TAIL_VANISHES 1 /* those left over have a probability of at most 1e-12 together */
#define INF_TAIL_SOME 2     /* tail_logprob is the logarithm of it */

typedef struct inf_next_desc {
  uint32_t struct_size;
  uint32_t tail;       /* INF_TAIL_* */
  double tail_logprob; /* 0 but for INF_TAIL_SOME */
  double entropy;      /* of the whole distribution, in nats */
  uint64_t vocab_size;
  uint64_t cached_tokens;
} inf_next_desc;

/* What follows a context of n >= 1 tokens: the top_k (>= 1; at most the vocabulary) likeliest ids, in
 * descending order, lower ids first on a tie, and their log-probabilities. Each output may be NULL. */
INF_API inf_status inf_next_top(inf_session* session, const inf_token* context, size_t n,
                                uint64_t top_k, inf_cancel* cancel, inf_tokens* ids,
                                inf_floats* logprobs, inf_next_desc* out, inf_error* err);

/* ---- Many texts in one call ------------------------------------------------------------------------- */

/* A list of texts and lists of tokens. [X]; calls that read it make it busy. It is copied in, and may be
 * used again. Texts become tokens in the call, with the flags of inf_tokenize and no second <bos> (see
 * inf_request_set_text). */
INF_API inf_status inf_inputs_new(inf_inputs** out, inf_error* err);
INF_API void inf_inputs_free(inf_inputs* inputs);
INF_API inf_status inf_inputs_add_text(inf_inputs* inputs, const char* text, size_t text_len,
                                       uint32_t flags, inf_error* err);
INF_API inf_status inf_inputs_add_tokens(inf_inputs* inputs, const inf_token* ids, size_t n,
                                         inf_error* err);

/* The results of a call on a list, in its order. [C]; it does not keep the model alive. An item that
 * could not be done (INF_E_ARG, INF_E_CONTEXT_FULL, INF_E_NUMERIC) fails alone: its inf_items_* returns that
 * status and text. What concerns all (CANCELLED, DEVICE, OOM_DEVICE, ...) fails the call. An empty list gives
 * no items and no error. inf_items_* return INF_E_ARG where the items came from another call than named. */
INF_API uint64_t inf_items_count(const inf_items* items);
INF_API void inf_items_free(inf_items* items);

/* All of these pack the texts into steps of several rows without padding, and compute once what all of
 * them, or neighbours, begin with. Each item has the same bits as alone. */

/* inf_score, or of texts inf_score_text, of each continuation after its context: there is one context for all,
 * or as many as continuations. A pair is of two texts or of two lists of tokens; a text pair has the flags of
 * the context. Afterwards the session holds what all contexts begin with, and what it held of that before is
 * not computed again. [X] on session */
INF_API inf_status inf_score_many(inf_session* session, const inf_inputs* contexts,
                                  const inf_inputs* continuations, inf_cancel* cancel,
                                  inf_items** out, inf_error* err);
/* of inf_score_many. ids gets the continuation's tokens. Each output may be NULL. */
INF_API inf_status inf_items_score(const inf_items* items, uint64_t index, inf_score_desc* out,
                                   inf_tokens* ids, inf_floats* per_token, inf_error* err);

/* inf_next_top of each context; the session as for inf_score_many. [X] on session */
INF_API inf_status inf_next_many(inf_session* session, const inf_inputs* contexts, uint64_t top_k,
                                 inf_cancel* cancel, inf_items** out, inf_error* err);
/* of inf_next_many. Each output may be NULL. */
INF_API inf_status inf_items_next(const inf_items* items, uint64_t index, inf_tokens* ids,
                                  inf_floats* logprobs, inf_next_desc* out, inf_error* err);

#define INF_CLASSIFY_LOGITS 1u /* the logits, too, [vocab_size] a prompt */

typedef struct inf_class_desc {
  uint32_t struct_size;
  inf_token token; /* that comes next; -1 where labels were given */
  int32_t label;   /* index of the likeliest label, the first on a tie; -1 where none were given */
  uint32_t reserved;
  uint64_t tokens; /* of the prompt */
} inf_class_desc;

/* What follows each prompt. labels = NULL: the next token, the likeliest one, or where request is not NULL
 * sampled as it says, as if the prompt were alone. Otherwise which label is likeliest, by the probability of all
 * its tokens (texts are joined as for inf_score_text; flags must be 0). Of the request only its adapters count
 * (inf_request_set_adapters; none, or NULL: the base) and, without labels, its sampling. No keys and values are
 * kept, but in the prefix cache those of what all begin with. [C] */
INF_API inf_status inf_classify(inf_model* model, const inf_inputs* prompts,
                                const inf_inputs* labels, const inf_request* request,
                                uint32_t flags, inf_cancel* cancel, inf_items** out,
                                inf_error* err);
/* of inf_classify. text gets the token's text ("" where the tokenizer has no such token: some models have more
 * rows than tokens) or the label's; values the logits, where they were wanted, or ln P of each label. Each
 * output may be NULL. */
INF_API inf_status inf_items_class(const inf_items* items, uint64_t index, inf_class_desc* out,
                                   inf_buf* text, inf_floats* values, inf_error* err);

#define INF_POOL_MEAN 0  /* of all tokens */
#define INF_POOL_LAST 1  /* the last token */
#define INF_POOL_FIRST 2 /* the first token ("cls") */

#define INF_EMBED_RAW 1u /* do not scale vectors to length 1 */

typedef struct inf_embed_options {
  uint32_t struct_size;
  uint32_t flags;   /* INF_EMBED_* */
  uint32_t pooling; /* INF_POOL_* */
  uint32_t layer;   /* 0 = the last one; otherwise 1 + a layer in 0..n_layers, see inf_embed */
  const inf_request* request; /* NULL = the base; of it only its adapters count */
} inf_embed_options;

/* Texts as vectors of hidden_size values: hidden states pooled over the tokens, scaled to length 1 (a vector of
 * zeros stays). Of layer n_layers, the last, they are what the head reads, after the final norm; of a
 * layer k < n_layers, the residual stream after k blocks without any norm; of layer 0, the token
 * embeddings. options may be NULL. No keys and values are kept. INF_E_ARG, of the call, for a layer there is
 * not. [C] */
INF_API inf_status inf_embed(inf_model* model, const inf_inputs* texts,
                             const inf_embed_options* options, inf_cancel* cancel, inf_items** out,
                             inf_error* err);
/* of inf_embed */
INF_API inf_status inf_items_vector(const inf_items* items, uint64_t index, inf_floats* out,
                                    inf_error* err);

#define INF_DIFF_LAST 1u /* only what follows the last token */

typedef struct inf_diff_options {
  uint32_t struct_size;
  uint32_t flags; /* INF_DIFF_* */
  uint32_t top_k; /* tokens that moved most, at each position: 0..64 */
  uint32_t reserved;
  uint64_t window;  /* as for inf_score_rolling; 0 = the model's context_length */
  uint64_t overlap; /* 0 = 1 */
} inf_diff_options;

/* How two sides of the model differ on each text: the base and what runs under adapters, or any two sets of
 * adapters. After each token but the last (with INF_DIFF_LAST: only after the last), the log-probability of the
 * token that follows on both sides, how far their distributions are apart, and which tokens moved most. Both
 * sides are rows of the same steps over one copy of the weights; the logits are reduced on the device. Longer
 * texts than `window` are compared in windows; with INF_DIFF_LAST one that does not fit is CONTEXT_FULL. Where the
 * sides are the same, all distances are exactly 0. No keys and values are kept. [C]
 *   base, adapted  NULL = the base of the model; of a request only its adapters count. They are not in use
 *                  during the call, and may be the same
 *   options        NULL for defaults
 * Errors: ARG (options, adapters of another model), BUSY (a request), CANCELLED, DEVICE, OOM_DEVICE; of an item
 * ARG, CONTEXT_FULL, and NUMERIC, which names the side whose logits are not numbers. */
INF_API inf_status inf_diff(inf_model* model, const inf_inputs* texts, const inf_request* base,
                            const inf_request* adapted, const inf_diff_options* options,
                            inf_cancel* cancel, inf_items** out, inf_error* err);

typedef struct inf_diff_desc {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t tokens;        /* of the text */
  uint64_t positions;     /* that were compared: tokens - 1, or 1 */
  double base_logprob;    /* of the text but its first token; 0 with INF_DIFF_LAST */
  double adapted_logprob; /* exp(-base_logprob / positions) is the perplexity */
  double mean_kl;         /* of the columns below; 0 where there are no positions */
  double mean_kl_reverse;
  double mean_js;
  double max_kl;
  double max_js;
} inf_diff_desc;

/* Columns of the values of a position, in nats. p is the base's distribution, q the adapted one's. */
#define INF_DIFF_BASE 0       /* ln p of the token that follows; NaN with INF_DIFF_LAST */
#define INF_DIFF_ADAPTED 1    /* ln q of it */
#define INF_DIFF_KL 2         /* KL(q || p): sum of q (ln q - ln p); infinite where p excludes what q does not */
#define INF_DIFF_KL_REVERSE 3 /* KL(p || q) */
#define INF_DIFF_JS 4         /* Jensen-Shannon: half of KL(p || m) + KL(q || m), m = (p + q) / 2; at most ln 2 */
#define INF_DIFF_COLUMNS 5

/* of inf_diff. ids gets the tokens of the text; values [positions, INF_DIFF_COLUMNS]. Each output may be NULL. */
INF_API inf_status inf_items_diff(const inf_items* items, uint64_t index, inf_diff_desc* out,
                                  inf_tokens* ids, inf_floats* values, inf_error* err);
/* of inf_diff: the tokens whose probability changed most at a position, by |q - p|, descending, lower ids first on
 * a tie; at most top_k, and none that did not move. logprobs [n, 2]: ln p, ln q. Each output may be NULL. ARG for a
 * position that there is not. */
INF_API inf_status inf_items_moved(const inf_items* items, uint64_t index, uint64_t position,
                                   inf_tokens* ids, inf_floats* logprobs, inf_error* err);

/* ---- Metrics [C] ---------------------------------------------------------------------------------- */

typedef struct inf_metrics {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t requests;         /* finished in this session, with or without success */
  uint64_t prompt_tokens;    /* computed, not cached */
  uint64_t generated_tokens;
  uint64_t prefill_ns;
  uint64_t decode_ns;
  uint64_t kv_bytes;         /* keys and values of this session */
  uint64_t cancelled;        /* of requests */
  uint64_t failed;           /* of requests */
  uint64_t cached_tokens;    /* of prompts, already in the session or in the prefix cache */
  uint64_t total_ns;
  uint64_t active_bytes; /* device memory at the end of the last request */
  uint64_t peak_bytes;   /* the highest of any request's peak_bytes */
  double prefill_tok_s;  /* prompt_tokens / prefill_ns */
  double decode_tok_s;   /* tokens but each request's first / decode_ns */
} inf_metrics;

/* Sums of the session's requests: inf_generate, and inf_gen_* once it is freed. */
INF_API inf_status inf_session_metrics(const inf_session* session, inf_metrics* out, inf_error* err);

/* What the runtime has done and holds. *json is replaced by an object:
 *   uptime_ns; requests, cancelled, failed, prompt_tokens, cached_tokens, generated_tokens, prefill_ns,
 *   decode_ns, total_ns, prefill_tok_s, decode_tok_s: as inf_metrics, of all sessions ever
 *   models   those that are loaded: {path, architecture, device, weight_bytes, kv_bytes (pages of keys and
 *            values), kv_used_bytes (of these, what sessions and the prefix cache hold), steps, shared_steps (of
 *            these, for several calls), prefix_cache}; architecture is "" and the numbers are 0 while one is
 *            loading. prefix_cache, null where there is none: {limit_bytes, bytes (that only the cache has),
 *            blocks (of 64 tokens), hits, misses (look-ups), hit_tokens, evictions (blocks)}
 *   devices  by index: {name, active_bytes, cached_bytes, peak_bytes, limit_bytes, cache_limit_bytes (null =
 *            no limit), programs_built, programs_loaded (from the kernel cache), programs_ns (both)}
 * Cheap: reads counters, opens nothing, waits for no device. */
INF_API inf_status inf_runtime_metrics(const inf_runtime* runtime, inf_buf* json, inf_error* err);

#ifdef __cplusplus
}
#endif

#endif /* INFERENCE_H_ */
