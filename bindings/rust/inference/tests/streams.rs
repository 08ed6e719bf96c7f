//! Streams that are not read to their end. In a program of its own: it counts what the process has.

mod support;

use inference::{Cancel, ErrorKind, GenerateOptions, Runtime};
use support::{answer, tiny_folder, GREEDY, PROMPT};

fn entries(folder: &str) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_thousand_cancelled_streams_leave_nothing() {
    let runtime = Runtime::new().unwrap();
    let model = runtime.load_model(tiny_folder().join("model")).unwrap();
    let endless = || GenerateOptions::new().max_tokens(1_000_000).ignore_end();
    let cancel_one = |i: usize| {
        let mut session = model.new_session().unwrap();
        if i % 2 == 0 {
            // The iterator is dropped.
            let mut stream = session.generate(PROMPT, &endless()).unwrap();
            assert!(stream.next().unwrap().is_ok());
        } else {
            let cancel = Cancel::new().unwrap();
            let options = endless().cancel(&cancel);
            let mut stream = session.generate(PROMPT, &options).unwrap();
            assert!(stream.next().unwrap().is_ok());
            cancel.trigger();
            // At most the token that was under way.
            let rest: Vec<_> = stream.collect();
            assert!(rest.len() <= 2, "{} more", rest.len());
            let error = rest.last().unwrap().as_ref().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Cancelled);
        }
    };
    let counts = || {
        let memory = runtime.memory(0).unwrap();
        (memory.active, entries("/proc/self/task"), entries("/proc/self/fd"))
    };
    for i in 0..10 {
        cancel_one(i);
    }
    let before = counts();
    for i in 0..1000 {
        cancel_one(i);
    }
    assert_eq!(counts(), before);
    let mut session = model.new_session().unwrap();
    let options = GenerateOptions::new().max_tokens(GREEDY.len() as i32).ignore_end();
    assert_eq!(answer(&mut session, PROMPT, &options).0, GREEDY);
}
