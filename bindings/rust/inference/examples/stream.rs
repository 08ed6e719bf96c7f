//! Streams a model's answer to a question:
//!
//! ```text
//! cargo run --release --example stream -- model.gguf "What is the capital of France?"
//! ```
//!
//! With a seed as a third argument the answer is drawn at temperature 1, else the likeliest one is taken.

use std::io::Write;

use inference::{GenerateOptions, Runtime};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (path, question) = match (args.next(), args.next()) {
        (Some(path), Some(question)) => (path, question),
        _ => return Err("usage: stream MODEL QUESTION [SEED]".into()),
    };
    let mut options = GenerateOptions::new();
    if let Some(seed) = args.next() {
        options = options.temperature(1.0).seed(seed.parse()?);
    }

    let model = Runtime::new()?.load_model(path)?;
    let mut chat = model.tokenizer()?.new_chat()?;
    chat.add("user", &question)?;
    let mut session = model.new_session()?;

    let mut generation = session.generate(&chat, &options)?;
    for token in generation.by_ref() {
        print!("{}", token?.text);
        std::io::stdout().flush()?;
    }
    let outcome = generation.outcome()?;
    let (tokens, rate) = (outcome.generated_tokens, outcome.decode_tok_s);
    println!("\n\n{tokens} tokens, {rate:.1} tok/s, finish: {:?}", outcome.finish);
    Ok(())
}
