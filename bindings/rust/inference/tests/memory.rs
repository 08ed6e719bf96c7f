mod support;

use inference::{ErrorKind, Runtime, NO_LIMIT};
use support::tiny_folder;

#[test]
fn memory_is_counted_and_limited() {
    let runtime = Runtime::new().unwrap();
    let first = runtime.memory(0).unwrap();
    assert_eq!(first.active, 0);
    assert_eq!(runtime.set_memory_limit(0, 1000).unwrap(), first.limit);
    let path = tiny_folder().join("model");
    let error = runtime.load_model(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OomDevice);
    assert!(error.to_string().contains("limit 1000"), "{error}");
    assert_eq!(runtime.set_memory_limit(0, NO_LIMIT).unwrap(), 1000);
    assert_eq!(runtime.set_cache_limit(0, 0).unwrap(), first.cache_limit);
    let model = runtime.load_model(&path).unwrap();
    let metrics = runtime.metrics_json().unwrap();
    assert!(metrics.contains(r#""architecture":"llama""#), "{metrics}");
    assert!(runtime.memory(0).unwrap().active > 0);
    drop(model);
    runtime.trim_memory(0).unwrap();
    runtime.reset_peak_memory(0).unwrap();
    let last = runtime.memory(0).unwrap();
    assert_eq!((last.active, last.cached, last.peak), (0, 0, 0));
    assert_eq!((last.limit, last.cache_limit), (NO_LIMIT, 0));
    assert_eq!(runtime.memory(99).unwrap_err().kind(), ErrorKind::Argument);
}
