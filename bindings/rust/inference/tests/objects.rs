mod support;

use std::ops::ControlFlow;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use inference::{
    Cancel, Chat, Config, Error, ErrorKind, Generation, LoadOptions, LogLevel, Model, Runtime,
    Session, TextFlags, Tokenizer,
};
use support::{answer, tiny_folder, tiny_model, PROMPT, PROMPT_IDS};

#[test]
fn threads_are_as_the_header_says() {
    fn shared<T: Send + Sync>() {}
    fn moved<T: Send>() {}
    shared::<Runtime>();
    shared::<Model>();
    shared::<Tokenizer>();
    shared::<Cancel>();
    shared::<Error>();
    moved::<Session>();
    moved::<Chat>();
    moved::<Generation<'static>>();
}

#[test]
fn devices_are_described() {
    let devices = Runtime::new().unwrap().devices().unwrap();
    assert_eq!(devices.iter().filter(|device| device.is_default).count(), 1);
    assert!(devices.iter().all(|device| !device.name.is_empty() && device.memory_bytes > 0));
}

#[test]
fn the_model_is_described() {
    let info = tiny_model().info().unwrap();
    assert_eq!((info.architecture.as_str(), info.format.as_str()), ("llama", "safetensors"));
    assert!(info.vocab_size >= tiny_model().tokenizer().unwrap().vocab_size());
}

#[test]
fn the_tokenizer_works_without_a_device() {
    let tokenizer = Tokenizer::load(tiny_folder().join("model")).unwrap();
    assert_eq!(tokenizer.encode(PROMPT, TextFlags::ADD_SPECIAL).unwrap(), PROMPT_IDS);
    assert_eq!(tokenizer.decode(PROMPT_IDS, TextFlags::SKIP_SPECIAL).unwrap(), PROMPT);
    assert_eq!(tokenizer.encode("", TextFlags::NONE).unwrap(), []);
    assert_eq!(tokenizer.decode(&[], TextFlags::NONE).unwrap(), "");
    assert_eq!(tokenizer.bos(), Some(PROMPT_IDS[0]));
    assert!(tokenizer.eos().map_or(true, |eos| tokenizer.is_end(eos)));
    assert!(!tokenizer.token_bytes(PROMPT_IDS[1]).unwrap().is_empty());
    let special = tokenizer.decode(&PROMPT_IDS[..1], TextFlags::NONE).unwrap();
    let flags = TextFlags::ADD_SPECIAL | TextFlags::PARSE_SPECIAL;
    assert_eq!(tokenizer.encode(&special, flags).unwrap(), [PROMPT_IDS[0]; 2]);
    let error = tokenizer.decode(&[1 << 30], TextFlags::NONE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument);
}

#[test]
fn a_chat_is_rendered() {
    let mut chat = tiny_model().tokenizer().unwrap().new_chat().unwrap();
    chat.add_json(r#"[{"role": "user", "content": "What is the capital of France?"}]"#).unwrap();
    let (text, ids) = chat.render(true).unwrap();
    assert_eq!(
        text,
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nWhat is the capital of France?<|eot_id|>\
         <|start_header_id|>assistant<|end_header_id|>\n\n"
    );
    assert_eq!(&ids[..5], [480, 482, 84, 82, 264]);
    chat.clear().unwrap();
    chat.set_template("{{ raise_exception('no ' + what) }}").unwrap();
    chat.set_variables_json(r#"{"what": "cats"}"#).unwrap();
    let error = chat.render(false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Template);
    assert!(error.message().contains("no cats"), "{error}");
}

#[test]
fn logits_have_a_row_a_token() {
    let mut session = tiny_model().new_session().unwrap();
    let vocab_size = tiny_model().info().unwrap().vocab_size;
    assert_eq!(session.logits(&[1, 2, 3], None).unwrap().len(), 3 * vocab_size);
    let cancel = Cancel::new().unwrap();
    cancel.trigger();
    let error = session.logits(&[4], Some(&cancel)).unwrap_err();
    assert_eq!((error.kind(), session.len()), (ErrorKind::Cancelled, 3));
}

#[test]
fn a_fork_goes_on_apart() {
    let mut session = tiny_model().new_session().unwrap();
    session.logits(&[1, 2, 3], None).unwrap();
    let mut fork = session.fork().unwrap();
    session.truncate(1).unwrap();
    assert_eq!((session.len(), fork.len()), (1, 3));
    let rest = session.logits(&[2, 3, 4], None).unwrap();
    let vocab_size = tiny_model().info().unwrap().vocab_size;
    assert_eq!(fork.logits(&[4], None).unwrap(), rest[2 * vocab_size..]);
    let error = session.truncate(5).unwrap_err();
    assert_eq!((error.kind(), session.len()), (ErrorKind::Argument, 4));
}

#[test]
fn a_saved_session_goes_on() {
    let mut session = tiny_model().new_session().unwrap();
    session.logits(&[1, 2, 3], None).unwrap();
    let mut saved = session.save().unwrap();
    let path = std::env::temp_dir().join(format!("inference-{}.session", std::process::id()));
    session.save_file(&path).unwrap();
    let want = session.logits(&[4], None).unwrap();
    let mut loaded = tiny_model().new_session().unwrap();
    loaded.load(&saved).unwrap();
    assert_eq!(loaded.logits(&[4], None).unwrap(), want);
    loaded.load_file(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(loaded.tokens().unwrap(), [1, 2, 3]);
    assert_eq!(loaded.logits(&[4], None).unwrap(), want);
    let middle = saved.len() / 2;
    saved[middle] ^= 1;
    let error = loaded.load(&saved).unwrap_err();
    assert_eq!((error.kind(), loaded.len()), (ErrorKind::Mismatch, 4));
}

#[test]
fn scores_are_those_of_the_golden_file() {
    let mut session = tiny_model().new_session().unwrap();
    let (context, continuation) = ([480, 350, 367, 370], [368, 369]);
    let score = session.score(&context, &continuation).unwrap();
    assert_eq!((score.logprobs.len(), score.is_greedy), (2, false));
    assert!((score.total + 25.073009580602).abs() < 1e-3, "{}", score.total);
    let ids = [480, 350, 367, 370, 368, 369];
    let rolling = session.score_rolling(&ids, 0, 0).unwrap();
    assert_eq!(rolling.logprobs[3..], score.logprobs[..]);
    let top = session.next_top(&ids, 4).unwrap();
    assert_eq!(top.len(), 4);
    assert!(top.windows(2).all(|pair| pair[0].1 >= pair[1].1));
    let error = session.score(&[], &continuation).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument);
}

#[test]
fn errors_say_what() {
    let runtime = Runtime::new().unwrap();
    let tiny = tiny_folder().join("model");
    let with = |key, value| {
        let options = LoadOptions::new().config(Config::new().set(key, value));
        runtime.load_model_with(&tiny, options).unwrap_err()
    };
    let missing = runtime.load_model("/no/such/model.gguf").unwrap_err();
    for (error, kind, text) in [
        (missing, ErrorKind::NotFound, "/no/such/model.gguf"),
        (with("colour", "red"), ErrorKind::NotFound, "colour"),
        (with("device", "abacus"), ErrorKind::Device, "abacus"),
    ] {
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[test]
fn loading_reports_and_obeys() {
    let runtime = Runtime::new().unwrap();
    let tiny = tiny_folder().join("model");
    let mut last = None;
    let options = LoadOptions::new().progress(|progress| {
        last = Some(progress);
        ControlFlow::Continue(())
    });
    runtime.load_model_with(&tiny, options).unwrap();
    let last = last.expect("progress");
    assert!(last.total > 0 && last.done == last.total, "{last:?}");

    let options = LoadOptions::new().progress(|_| ControlFlow::Break(()));
    let error = runtime.load_model_with(&tiny, options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Callback);

    let cancel = Cancel::new().unwrap();
    let remote = cancel.clone();
    let options = LoadOptions::new().cancel(&cancel).progress(|_| {
        remote.trigger();
        ControlFlow::Continue(())
    });
    let error = runtime.load_model_with(&tiny, options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);

    let options = LoadOptions::new().progress(|_| panic!("the caller's own"));
    let panic = catch_unwind(AssertUnwindSafe(|| runtime.load_model_with(&tiny, options)));
    assert_eq!(panic.unwrap_err().downcast_ref::<&str>(), Some(&"the caller's own"));
}

#[test]
fn the_log_is_released_and_may_panic() {
    let lines = Arc::new(AtomicUsize::new(0));
    let count = lines.clone();
    let runtime = Runtime::with_log(&Config::new(), move |_, part, message| {
        assert!(!part.is_empty() && !message.is_empty());
        count.fetch_add(1, Ordering::Relaxed);
        panic!("dropped");
    })
    .unwrap();
    runtime.set_log_level(LogLevel::Debug).unwrap();
    drop(runtime.load_model(tiny_folder().join("model")).unwrap());
    drop(runtime);
    assert_eq!(Arc::strong_count(&lines), 1);
}

#[test]
fn a_session_outlives_its_parents() {
    let runtime = Runtime::new().unwrap();
    let model = runtime.load_model(tiny_folder().join("model")).unwrap();
    let mut session = model.new_session().unwrap();
    drop(runtime);
    drop(model);
    let options = inference::GenerateOptions::new().max_tokens(2).ignore_end();
    assert_eq!(answer(&mut session, PROMPT, &options).0.len(), 2);
}

#[test]
fn the_version_has_three_parts() {
    assert_eq!(inference::version().split('.').count(), 3);
}
