//! Many requests together: each gives what it gives alone.

mod support;

use std::collections::HashMap;

use inference::{
    BatchEventKind, BatchOptions, Cancel, Config, ErrorKind, Event, Finish, GenerateOptions,
    LoadOptions, Runtime, TokenId,
};
use support::{answer, tiny_folder, tiny_model, GREEDY, PROMPT, PROMPT_IDS};

fn greedy(n: usize) -> GenerateOptions {
    GenerateOptions::new().max_tokens(n as i32).ignore_end()
}

#[test]
fn requests_give_what_they_give_alone() {
    let mut batch = tiny_model().new_batch(BatchOptions::new().slots(2)).unwrap();
    let first = batch.add(PROMPT, &greedy(GREEDY.len())).unwrap();
    let second = batch.add(PROMPT_IDS, &greedy(7)).unwrap();
    let mut third = 0;
    let (mut ids, mut ends) = (HashMap::<u64, Vec<TokenId>>::new(), HashMap::new());
    while let Some(event) = batch.next() {
        let event = event.unwrap();
        match event.kind {
            // A last one without an id has text that was held back.
            BatchEventKind::Step(Event::Token(token)) if token.id >= 0 => {
                ids.entry(event.id).or_default().push(token.id);
            }
            BatchEventKind::Done(outcome) => {
                if event.id == second {
                    third = batch.add(PROMPT, &greedy(3)).unwrap(); // joins the one that runs
                }
                ends.insert(event.id, outcome);
            }
            BatchEventKind::Failed(_, error) => panic!("{error}"),
            _ => {}
        }
    }
    for (id, n) in [(first, GREEDY.len()), (second, 7), (third, 3)] {
        assert_eq!(ids[&id], GREEDY[..n]);
        assert_eq!(ends[&id].finish, Finish::Length);
        assert_eq!(ends[&id].generated_tokens, n as u64);
    }
    assert!(batch.next().is_none());
}

#[test]
fn requests_leave_and_are_cancelled_by_themselves() {
    let model = tiny_model();
    let mut session = model.new_session().unwrap();
    let cancel = Cancel::new().unwrap();
    let mut batch = model.new_batch(BatchOptions::new()).unwrap();
    let cancelled = batch.add(PROMPT, &greedy(200).cancel(&cancel)).unwrap();
    let removed = batch.add_to(&mut session, PROMPT, &greedy(200)).unwrap();
    let stays = batch.add(PROMPT, &greedy(9)).unwrap();
    assert_eq!(session.reset().unwrap_err().kind(), ErrorKind::Busy);
    let (mut of_removed, mut failed, mut done) = (0, 0, 0);
    while let Some(event) = batch.next() {
        let event = event.unwrap();
        if event.id == removed {
            of_removed += 1;
            if of_removed == 3 {
                batch.remove(removed).unwrap();
                cancel.trigger();
            }
        }
        match event.kind {
            BatchEventKind::Failed(outcome, error) => {
                assert_eq!(event.id, cancelled);
                assert_eq!(error.kind(), ErrorKind::Cancelled);
                assert_eq!(outcome.finish, Finish::Cancelled);
                failed += 1;
            }
            BatchEventKind::Done(outcome) => {
                assert_eq!(event.id, stays);
                assert_eq!(outcome.generated_tokens, 9);
                done += 1;
            }
            _ => {}
        }
    }
    assert_eq!((of_removed, failed, done), (3, 1, 1));
    assert_eq!(batch.remove(removed).unwrap_err().kind(), ErrorKind::Argument);
    assert!(!session.is_empty());
    session.reset().unwrap();
}

#[test]
fn errors_say_what_is_wrong() {
    let model = tiny_model();
    for options in [BatchOptions::new().slots(65), BatchOptions::new().step_tokens(1 << 20)] {
        assert_eq!(model.new_batch(options).unwrap_err().kind(), ErrorKind::Argument);
    }
    let mut batch = model.new_batch(BatchOptions::new()).unwrap();
    let error = batch.add(&[-5][..], &greedy(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument);
    assert!(batch.next().is_none());
}

/// Batches that are dropped in the middle give their memory back.
#[test]
fn nothing_is_left_behind() {
    let runtime = Runtime::new().unwrap();
    let model = runtime.load_model(tiny_folder().join("model")).unwrap();
    let run = || {
        let mut batch = model.new_batch(BatchOptions::new()).unwrap();
        for _ in 0..4 {
            batch.add(PROMPT, &greedy(50)).unwrap();
        }
        assert_eq!(batch.by_ref().take(12).filter(|event| event.is_ok()).count(), 12);
    };
    let active = || runtime.memory(0).unwrap().active;
    run();
    let before = active();
    for _ in 0..20 {
        run();
    }
    assert_eq!(active(), before);
}

/// Threads whose calls share steps, each with what it has alone.
#[test]
fn parallel_slots() {
    let config = Config::new().set("parallel_slots", 8);
    let model = Runtime::new()
        .unwrap()
        .load_model_with(tiny_folder().join("model"), LoadOptions::new().config(config))
        .unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut session = model.new_session().unwrap();
                let (ids, _) = answer(&mut session, PROMPT, &greedy(GREEDY.len()));
                assert_eq!(ids, GREEDY);
            });
        }
    });
}
