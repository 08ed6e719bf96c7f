mod support;

use inference::{Config, ErrorKind, Runtime};
use support::tiny_folder;

#[test]
fn estimate_says_what_a_load_takes() {
    let runtime = Runtime::new().unwrap();
    let config = Config::new().set("n_ctx", 128i64);
    let fit = runtime.estimate(tiny_folder().join("model"), &config).unwrap();
    assert!(fit.fits && fit.missing_bytes == 0 && fit.context_length == 128);
    assert_eq!(fit.kv_bytes, 128 * fit.kv_bytes_per_token);
    assert_eq!(fit.wanted_bytes, fit.weight_bytes + fit.kv_bytes + fit.scratch_bytes);
    let model = runtime.load_model(tiny_folder().join("model")).unwrap();
    assert_eq!(fit.weight_bytes, model.info().unwrap().weight_bytes);
    // Heads of 32 as 32 bytes and a scale of two, instead of 32 floats.
    let q8 = Config::new().set("n_ctx", 128i64).set("kv_type", "q8");
    let bytes = runtime.estimate(tiny_folder().join("model"), &q8).unwrap().kv_bytes;
    assert_eq!(bytes * 128, fit.kv_bytes * 34);
    let error = runtime.estimate("/no/such", &config).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
