mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use inference::{Config, ErrorKind, FoundModel, Runtime};
use support::tiny_folder;

/// A folder of its own for each test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("inference-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path.canonicalize().unwrap())
    }

    /// A model as far as discovery looks; its weights are noise.
    fn model(&self, name: &OsStr, config: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir(&path).unwrap();
        fs::write(path.join("config.json"), config).unwrap();
        fs::write(path.join("model.safetensors"), "noise").unwrap();
        fs::write(path.join("tokenizer.json"), "{}").unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn only(found: Vec<FoundModel>) -> FoundModel {
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}

#[test]
fn a_model_that_loads() {
    let runtime = Runtime::new().unwrap();
    let path = tiny_folder().join("model");
    let model = only(runtime.discover(&path).unwrap());
    assert_eq!(model.path, path.canonicalize().unwrap());
    assert_eq!(model.format, "safetensors");
    assert_eq!(model.architecture, "llama");
    assert_eq!(model.quantization, "BF16");
    assert_eq!((model.quant_bits, model.quant_group, model.file_count), (0, 0, 1));
    assert_eq!(model.bytes, fs::metadata(path.join("model.safetensors")).unwrap().len());
    assert!(model.loadable && model.reason.is_empty(), "{}", model.reason);
    assert_eq!(runtime.load_model(&model.path).unwrap().info().unwrap().path, model.path);
}

#[test]
fn in_order_and_with_the_reason() {
    let folder = Folder::new("order");
    folder.model(OsStr::new("b"), r#"{"model_type": "mamba9"}"#);
    let quantized = r#"{"model_type": "llama", "quantization": {"bits": 4, "group_size": 64}}"#;
    folder.model(OsStr::new("a"), quantized);
    let found = Runtime::new().unwrap().discover(&folder.0).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].path, folder.0.join("a"));
    assert_eq!((found[0].quant_bits, found[0].quant_group), (4, 64));
    assert!(found[0].loadable, "{}", found[0].reason);
    assert_eq!(found[1].path, folder.0.join("b"));
    assert!(!found[1].loadable);
    assert!(found[1].reason.contains("model_type: is 'mamba9'"), "{}", found[1].reason);
}

#[test]
fn paths_need_not_be_text() {
    let folder = Folder::new("bytes");
    let path = folder.model(OsStr::from_bytes(b"m\xff\n"), r#"{"model_type": "llama"}"#);
    let model = only(Runtime::new().unwrap().discover(&folder.0).unwrap());
    assert_eq!(model.path, path);
    assert!(model.path.join("config.json").is_file());
}

#[test]
fn links_out_of_the_folder_by_option_only() {
    let folder = Folder::new("links");
    let path = folder.model(OsStr::new("m"), r#"{"model_type": "llama"}"#);
    let weights = path.join("model.safetensors");
    fs::rename(&weights, folder.0.join("blob")).unwrap();
    symlink("../blob", &weights).unwrap();
    let runtime = Runtime::new().unwrap();
    let model = only(runtime.discover(&folder.0).unwrap());
    assert!(!model.loadable);
    assert!(model.reason.contains("model.safetensors: links to "), "{}", model.reason);
    let config = Config::new().set("allow_symlinks", 1i64);
    let model = only(runtime.discover_with(&folder.0, &config).unwrap());
    assert!(model.loadable, "{}", model.reason);
    assert_eq!(model.bytes, 5);
}

#[test]
fn nothing_and_nowhere() {
    let runtime = Runtime::new().unwrap();
    let folder = Folder::new("nothing");
    assert!(runtime.discover(&folder.0).unwrap().is_empty());
    let error = runtime.discover(Path::new("/no/such")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let config = Config::new().set("no_such_option", 1i64);
    let error = runtime.discover_with(&folder.0, &config).unwrap_err();
    assert!(error.to_string().contains("no option 'no_such_option'"), "{error}");
}
