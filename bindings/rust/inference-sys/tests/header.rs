//! Holds the declarations against the header, text against text: every constant, every struct field
//! in order, every function with its argument types. `repr(C)` makes equal fields an equal layout.

use inference_sys as sys;
use std::ffi::CString;
use std::os::raw::{c_char, c_void};

const HEADER: &str = include_str!("../../../../include/inference.h");
const RUST: &str = include_str!("../src/lib.rs");

/// The header without comments.
fn header() -> String {
    let mut text = String::new();
    let mut rest = HEADER;
    while let Some(start) = rest.find("/*") {
        text.push_str(&rest[..start]);
        rest = &rest[start + rest[start..].find("*/").expect("an open comment") + 2..];
    }
    text + rest
}

/// Without white space and trailing commas: a form in which layout does not matter.
fn squeeze(text: &str) -> String {
    let text: String = text.split_whitespace().collect();
    text.replace(",)", ")").replace(",}", "}")
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The Rust form of a C type such as `const inf_event**`.
fn rust_type(c: &str) -> String {
    let stars = c.matches('*').count();
    let is_const = c.split_whitespace().any(|word| word == "const");
    let base = c.replace('*', " ").replace("const", " ");
    let base = match base.trim() {
        "void" => "c_void",
        "char" => "c_char",
        "uint8_t" => "u8",
        "int32_t" => "i32",
        "uint32_t" => "u32",
        "int64_t" => "i64",
        "uint64_t" => "u64",
        "size_t" => "usize",
        "float" => "f32",
        "double" => "f64",
        "inf_event_fn" => "Option<inf_event_fn>",
        "inf_log_fn" => "Option<inf_log_fn>",
        "inf_batch_fn" => "Option<inf_batch_fn>",
        other => other,
    };
    let outer = if c.replace(' ', "").contains("*const") { "*const " } else { "*mut " };
    let first = if is_const { "*const " } else { "*mut " };
    match stars {
        0 => base.to_string(),
        _ => outer.repeat(stars - 1) + first + base,
    }
}

/// `const char* text` as `text: *const c_char`; names that are Rust keywords get a `_`.
fn rust_field(c: &str) -> String {
    if c.contains("(*user_free)") {
        return "user_free: Option<unsafe extern \"C\" fn(user: *mut c_void)>".to_string();
    }
    let (c, array) = match c.find('[') {
        Some(i) => (&c[..i], c[i..].trim_matches(&['[', ']'][..])),
        None => (c, ""),
    };
    let start = c.rfind(|ch| !is_word(ch)).expect("a type before the name") + 1;
    let (kind, name) = (rust_type(&c[..start]), &c[start..]);
    let escape = if matches!(name, "type" | "fn") { "_" } else { "" };
    match array {
        "" => format!("{name}{escape}: {kind}"),
        n => format!("{name}{escape}: [{kind}; {n}]"),
    }
}

/// Splits at the commas outside parentheses.
fn arguments(list: &str) -> Vec<String> {
    let mut depth = 0;
    let parts = list.split(|c| {
        depth += (c == '(') as i32 - (c == ')') as i32;
        c == ',' && depth == 0
    });
    parts.map(|part| part.trim().to_string()).filter(|part| part != "void").collect()
}

/// Every prototype: name, and the declaration that it should have in Rust.
fn functions() -> Vec<(String, String)> {
    let header = header();
    let prototypes = header.split("INF_API").skip(1).filter(|p| p.contains("inf_"));
    let prototypes =
        prototypes.filter_map(|p| Some(&p[..p.find(");")?])).filter(|p| !p.contains('#'));
    prototypes
        .map(|prototype| {
            let (head, list) = prototype.split_once('(').expect("arguments");
            let start = head.rfind(|c| !is_word(c)).expect("a result type") + 1;
            let (result, name) = (head[..start].trim(), &head[start..]);
            let list: Vec<_> = arguments(list).iter().map(|a| rust_field(a)).collect();
            let result = match result {
                "void" => String::new(),
                other => format!(" -> {}", rust_type(other)),
            };
            (name.to_string(), format!("pub fn {name}({}){result};", list.join(", ")))
        })
        .collect()
}

#[test]
fn functions_are_those_of_the_header() {
    let functions = functions();
    assert!(functions.len() > 60, "the header was not understood");
    let rust = squeeze(RUST);
    for (_, declaration) in &functions {
        assert!(rust.contains(&squeeze(declaration)), "missing: {declaration}");
    }
    assert_eq!(RUST.matches("pub fn ").count(), functions.len());
}

#[test]
fn structs_are_those_of_the_header() {
    let (header, rust) = (header(), squeeze(RUST));
    let mut count = 0;
    for definition in header.split("typedef struct ").skip(1) {
        let end = definition.find([';', '{']).expect("an end");
        let name = definition.split_whitespace().next().expect("a name");
        if definition[end..].starts_with(';') {
            assert!(RUST.contains(&format!("\n    {name}\n")), "missing: {name}");
            continue;
        }
        let body = &definition[end + 1..definition.find('}').expect("a body")];
        let mut fields = String::new();
        for line in body.split(';').map(str::trim).filter(|line| !line.is_empty()) {
            let split =
                if line.contains(", ") { line.split_once(' ') } else { line.rsplit_once(' ') };
            let (kind, names) = split.expect("a type and names");
            for name in names.split(", ") {
                fields += &format!("pub {}, ", rust_field(&format!("{kind} {name}")));
            }
        }
        let wanted = format!("pub struct {name} {{ {fields} }}");
        assert!(rust.contains(&squeeze(&wanted)), "missing: {wanted}");
        count += 1;
    }
    assert_eq!(RUST.matches("#[derive(Clone, Copy, Debug)]").count(), count);
}

#[test]
fn constants_are_those_of_the_header() {
    let mut count = 0;
    for line in HEADER.lines().filter_map(|line| line.strip_prefix("#define INF_")) {
        let mut words = line.split_whitespace();
        let (name, value) = (words.next().expect("a name"), words.next().unwrap_or(""));
        let value = value.trim_matches(&['(', ')', 'u'][..]);
        let value = if value == "UINT64_MAX" { "u64::MAX" } else { value };
        if value != "u64::MAX" && value.parse::<i64>().is_err() {
            continue;
        }
        let found = ["i32", "u32", "u64"]
            .iter()
            .any(|kind| RUST.contains(&format!("\npub const INF_{name}: {kind} = {value};\n")));
        assert!(found, "missing: INF_{name} = {value}");
        count += 1;
    }
    assert!(count > 50, "the header was not understood");
    assert_eq!(RUST.matches("\npub const INF_").count(), count);
}

#[test]
fn library_exports_every_function() {
    extern "C" {
        fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
    }
    assert_eq!(unsafe { sys::inf_version_number() }, sys::INF_VERSION_NUMBER);
    for (name, _) in functions() {
        let symbol = CString::new(name.as_str()).expect("no NUL");
        let address = unsafe { dlsym(std::ptr::null_mut(), symbol.as_ptr()) };
        assert!(!address.is_null(), "not exported: {name}");
    }
}

#[test]
fn library_knows_the_size_of_a_struct() {
    let mut sampling: sys::inf_sampling = unsafe { std::mem::zeroed() };
    unsafe { sys::inf_sampling_init(&mut sampling) };
    assert_eq!(sampling.struct_size as usize, std::mem::size_of::<sys::inf_sampling>());
    assert_eq!((sampling.max_tokens, sampling.temperature), (256, 0.0));
}
