//! What the tests share. Models are loaded once: they are made for concurrent use.
#![allow(dead_code)] // every test program uses its part

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use inference::{GenerateOptions, Model, Prompt, Runtime, Session, TokenId};

pub fn tiny_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/data/golden/tiny/llama-gqa")
}

fn load_once(slot: &Mutex<Option<&'static Model>>, path: &Path) -> &'static Model {
    let mut slot = slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    slot.get_or_insert_with(|| {
        let model = Runtime::new().expect("a runtime").load_model(path).expect("a model");
        Box::leak(Box::new(model))
    })
}

pub fn tiny_model() -> &'static Model {
    static TINY: Mutex<Option<&'static Model>> = Mutex::new(None);
    load_once(&TINY, &tiny_folder().join("model"))
}

/// None where no path was given; the test then says so and does nothing.
pub fn smollm2() -> Option<&'static Model> {
    static SMOLLM2: Mutex<Option<&'static Model>> = Mutex::new(None);
    match std::env::var_os("INFERENCE_SMOLLM2") {
        Some(path) => Some(load_once(&SMOLLM2, Path::new(&path))),
        None => {
            // Not by a print macro: the test harness keeps those of passing tests to itself.
            let line = "SKIPPED: INFERENCE_SMOLLM2 is not set; scripts/fetch_models.sh fetches it";
            writeln!(std::io::stderr(), "{line}").expect("stderr");
            None
        }
    }
}

/// A whole stream, which must end without an error.
pub fn answer<'a>(
    session: &mut Session,
    prompt: impl Into<Prompt<'a>>,
    options: &GenerateOptions,
) -> (Vec<TokenId>, String) {
    let (mut ids, mut text) = (Vec::new(), String::new());
    for token in session.generate(prompt, options).expect("a start") {
        let token = token.expect("a token");
        text += &token.text;
        if token.id >= 0 {
            ids.push(token.id);
        }
    }
    (ids, text)
}

/// What the reference implementation gives for the tiny model: the prompt, its ids, and what it
/// continues greedily with (`golden.json`).
pub const PROMPT: &str = "The quick brown fox";
pub const PROMPT_IDS: &[TokenId] = &[480, 350, 367, 370, 368];
pub const GREEDY: &[TokenId] = &[
    16, 199, 442, 95, 168, 168, 18, 18, 18, 18, 90, 168, 303, 299, 275, 447, 44, 488, 273, 78, 140,
    156, 101, 18, 230, 323, 19, 151, 105, 317, 463, 303, 487, 225, 303, 131, 31, 0, 399, 444,
];
